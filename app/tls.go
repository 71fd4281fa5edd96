package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// certificate is what the server shows its clients: the pair of files that the
// config names, as last read.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

// loadCertificate reads the pair that the config names. It is nil when there is
// none.
func loadCertificate(config Config) (*certificate, error) {
	if config.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{certFile: config.TLSCert, keyFile: config.TLSKey}
	return c, c.load()
}

// load reads the pair anew. It keeps the one before if that fails.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("--tls-cert and --tls-key (WIDGETD_TLS_CERT, WIDGETD_TLS_KEY): %w", err)
	}
	c.current.Store(&pair)
	return nil
}

// listen encrypts the connections of a listener, with TLS 1.2 or later. It leaves
// the handshake, and how long that may take, to the first who reads.
func (c *certificate) listen(ln net.Listener) net.Listener {
	return tls.NewListener(ln, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	})
}

// ReloadCertificate reads the certificate and its key again, for the connections
// to come. If that fails it logs why, and the server keeps those it has. Without
// TLS it logs that there is none.
func (a *App) ReloadCertificate() {
	if a.certificate == nil {
		a.adapters.log.Info("there is no certificate to read again")
		return
	}
	if err := a.certificate.load(); err != nil {
		a.adapters.log.Warn("the certificate stays as it is", "error", err)
		return
	}
	a.adapters.log.Info("read the certificate again", "expires", a.certificate.current.Load().Leaf.NotAfter)
}

func (c Config) checkTLS() error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--tls-cert (WIDGETD_TLS_CERT) and --tls-key (WIDGETD_TLS_KEY) must be set both or neither")
	}
	return nil
}
