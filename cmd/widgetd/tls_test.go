package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair is a certificate for 127.0.0.1 and its key, in files.
type pair struct {
	cert, key string
	trust     *x509.CertPool // that certificate alone
}

// newPair writes a new certificate and key to the folder. It replaces older ones.
func newPair(t *testing.T, dir string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "widgetd"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"api.example.com"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()}
	for path, block := range map[string]*pem.Block{p.cert: {Type: "CERTIFICATE", Bytes: cert}, p.key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	p.trust.AddCert(parsed)
	return p
}

// startTLS starts a server with a pair. Its client trusts only that certificate.
func startTLS(t *testing.T, p pair, settings ...string) *server {
	t.Helper()
	s := start(t, folder(t), append([]string{"--tls-cert", p.cert, "WIDGETD_TLS_KEY=" + p.key}, settings...)...)
	s.trust(p)
	return s
}

func (s *server) trust(p pair) {
	s.client.CloseIdleConnections()
	s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.trust}, MaxIdleConnsPerHost: 64}
}

func TestTLSKeyThatOthersCanReadIsLogged(t *testing.T) {
	t.Parallel()
	const message = "others can read or write the TLS key: they can pose as this server"
	p := newPair(t, t.TempDir())
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o660: true} {
		if err := os.Chmod(p.key, mode); err != nil {
			t.Fatal(err)
		}
		s := startTLS(t, p)
		if line, found := s.log.find("msg", message); found != want || found && line["path"] != p.key {
			t.Errorf("%v: the log has %v", mode, line)
		}
		s.stop()
	}
}

func TestServingHTTPS(t *testing.T) {
	t.Parallel()
	p := newPair(t, t.TempDir())
	s := startTLS(t, p, asAdmin...)
	if !strings.HasPrefix(s.url, "https://") {
		t.Errorf("the logged URL is %s", s.url)
	}
	admin := s.logIn(t, adminEmail, adminPassword)
	for status, r := range map[int]request{
		200: get("/widgets", admin),
		201: post("/widgets", admin, widgetFields().with("name", "one")),
		401: get("/widgets", ""),
		404: {method: "GET", path: "/nope"},
		405: {method: "PATCH", path: "/healthz"},
		413: {method: "POST", path: api + "/auth/login", contentType: "text/plain", body: strings.Repeat("x", 1<<20)},
		431: {method: "GET", path: "/healthz", header: map[string]string{"X-Padding": strings.Repeat("x", 100<<10)}},
		302: {method: "GET", path: "/"},
		204: {method: "OPTIONS", path: api + "/widgets", header: map[string]string{"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}},
	} {
		res := s.do(t, r)
		res.want(t, status, "")
		res.wantHeader(t, "Strict-Transport-Security", "max-age=31536000")
	}

	dial := func(config *tls.Config) error {
		config.RootCAs = p.trust
		conn, err := tls.Dial("tcp", s.addr, config)
		if err == nil {
			conn.Close()
		}
		return err
	}
	for version, served := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		if err := dial(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}); (err == nil) != served {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") ||
		!strings.Contains(string(answer), `{"message":"This port speaks HTTPS: begin the URL with https://"}`) || strings.Contains(string(answer), "Strict-Transport") {
		t.Errorf("a request without TLS is answered with %q", answer)
	}
}

func TestWithoutTLSNoStrictTransportSecurityIsSent(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	if got := s.do(t, healthz).header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security: %s", got)
	}
}

func TestHSTSCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	for setting, sent := range map[string]bool{"--hsts=OFF": false, "WIDGETD_HSTS=oFF": false, "--hsts=False": false, "--hsts": true, "--hsts=ON": true} {
		s := startTLS(t, newPair(t, t.TempDir()), setting)
		got := s.do(t, healthz).header.Get("Strict-Transport-Security")
		if (got != "") != sent {
			t.Errorf("%s: Strict-Transport-Security: %q", setting, got)
		}
	}
}

func TestHangupReloadsTheCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startTLS(t, newPair(t, dir))
	s.do(t, healthz).want(t, 200, "")

	renewed := newPair(t, dir)
	s.hangUp(t, "read the certificate again")
	s.trust(renewed)
	s.do(t, healthz).want(t, 200, "")

	if err := os.WriteFile(renewed.cert, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.hangUp(t, "the certificate stays as it is")
	if record, _ := s.log.find("msg", "the certificate stays as it is"); !strings.Contains(record["error"].(string), "--tls-cert") {
		t.Errorf("the log record has no reason: %v", record)
	}
	s.trust(renewed)
	s.do(t, healthz).want(t, 200, "")
}

func TestHangupWithoutACertificateDoesNotStopTheServer(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	s.hangUp(t, "there is no certificate to read again")
	s.do(t, healthz).want(t, 200, "")
}

func (s *server) hangUp(t *testing.T, message string) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.log.await("msg", message, s.exited); !ok {
		t.Fatalf("the server does not log %q:\n%s", message, s.log)
	}
}

func TestUnusableCertificatesAreRefused(t *testing.T) {
	t.Parallel()
	p, other := newPair(t, t.TempDir()), newPair(t, t.TempDir())
	serve := []string{"--addr", "127.0.0.1:0", "--data", folder(t)}
	for reason, settings := range map[string][]string{
		"both or neither":    {"--tls-cert", p.cert},
		"set both or":        {"WIDGETD_TLS_KEY=" + p.key},
		"/nowhere":           {"--tls-cert", "/nowhere", "--tls-key", p.key},
		"/nothing":           {"--tls-cert", p.cert, "--tls-key", "/nothing"},
		"does not match":     {"--tls-cert", p.cert, "--tls-key", other.key},
		"failed to find any": {"--tls-cert", p.cert, "--tls-key", os.DevNull},
	} {
		run(t, "", append(settings, serve...)...).wantRefusal(t, "WIDGETD_TLS_CERT", "WIDGETD_TLS_KEY", reason)
	}
}
