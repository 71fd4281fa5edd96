package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/widgetd/widgetd/app"
)

// healthcheckCommand checks that a running server is ready.
type healthcheckCommand struct{}

// Run implements the command. It returns nil if /readyz answers 200.
func (healthcheckCommand) Run(ctx context.Context, settings *settings) error {
	host, port, err := net.SplitHostPort(settings.Addr)
	if err != nil {
		return &app.ConfigError{Fields: []string{"Addr"}, Err: err}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme, transport := "http", &http.Transport{} // unlike the default transport, it uses no proxy
	if settings.TLSCert != "" {
		scheme = "https"
		if transport.TLSClientConfig, err = trustOnly(settings.TLSCert); err != nil {
			return &app.ConfigError{Fields: []string{"TLSCert"}, Err: err}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return nil
}

// trustOnly returns a TLS configuration that accepts only a server with exactly
// the first certificate in the file. It does not check the certificate's names and
// dates: the local address is rarely among the names, and an expired certificate
// does not make the server unready.
func trustOnly(certFile string) (*tls.Config, error) {
	text, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	for block != nil && block.Type != "CERTIFICATE" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate", certFile)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter
		VerifyConnection: func(state tls.ConnectionState) error {
			if !bytes.Equal(state.PeerCertificates[0].Raw, block.Bytes) {
				return fmt.Errorf("the server has another certificate than %s: send SIGHUP to the server if the file is newer", certFile)
			}
			return nil
		},
	}, nil
}
