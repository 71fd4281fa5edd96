package app

import (
	"crypto/tls"
	"net"
	"sync/atomic"
)

// certificate is the server's certificate and key, read from two files.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

// loadCertificate reads the files that the config names. It returns nil if the
// config names none.
func loadCertificate(config Config) (*certificate, error) {
	if config.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{certFile: config.TLSCert, keyFile: config.TLSKey}
	return c, c.load()
}

// load reads the files. After an error the previous certificate stays.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return configError(err, "TLSCert", "TLSKey")
	}
	c.current.Store(&pair)
	return nil
}

// listen encrypts the connections of a listener with TLS 1.2 or later. The first read
// of a connection performs the handshake, so the read deadline limits its duration.
func (c *certificate) listen(ln net.Listener) net.Listener {
	return tls.NewListener(ln, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	})
}

// ReloadCertificate reads the certificate and its key again, for new connections.
// After an error the server keeps the previous ones. Without TLS it does nothing.
func (a *App) ReloadCertificate() error {
	if a.certificate == nil {
		a.adapters.log.Info("there is no certificate to read again")
		return nil
	}
	if err := a.certificate.load(); err != nil {
		return err
	}
	a.adapters.log.Info("read the certificate again", "expires", a.certificate.current.Load().Leaf.NotAfter)
	a.warnOfTLSKey()
	return nil
}
