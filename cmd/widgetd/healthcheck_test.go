package main_test

import (
	"net"
	"testing"
)

func TestHealthcheckReportsWhetherTheServerIsReady(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t))
	_, port, _ := net.SplitHostPort(s.addr)
	for _, setting := range []string{"--addr=" + s.addr, "WIDGETD_ADDR=" + s.addr, "--addr=localhost:" + port} {
		if got := run(t, "", "healthcheck", setting); got != (outcome{}) {
			t.Errorf("%s: %+v", setting, got)
		}
	}
	s.stop()
	run(t, "", "healthcheck", "--addr", s.addr).wantRefusal(t, s.addr)
	run(t, "", "healthcheck", "--addr", "nonsense").wantRefusal(t, "--addr")
}

func TestHealthcheckFindsAServerOnAllInterfaces(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "0.0.0.0"} {
		s := start(t, folder(t), "--addr", host+":0")
		_, port, _ := net.SplitHostPort(s.addr)
		if got := run(t, "", "healthcheck", "--addr", net.JoinHostPort(host, port)); got != (outcome{}) {
			t.Errorf("%q: %+v", host, got)
		}
	}
}

func TestHealthcheckOverTLS(t *testing.T) {
	t.Parallel()
	p, other := newPair(t, t.TempDir()), newPair(t, t.TempDir())
	s := startTLS(t, p)
	if got := run(t, "", "healthcheck", "--addr", s.addr, "--tls-cert", p.cert, "--tls-key", p.key); got.code != 0 {
		t.Errorf("%+v", got)
	}
	_, port, _ := net.SplitHostPort(s.addr)
	if got := run(t, "", "healthcheck", "--addr", ":"+port, "WIDGETD_TLS_CERT="+p.cert); got.code != 0 {
		t.Errorf("for all interfaces: %+v", got)
	}
	run(t, "", "healthcheck", "--addr", s.addr).wantRefusal(t)
	run(t, "", "healthcheck", "--addr", s.addr, "--tls-cert", other.cert).wantRefusal(t, "another certificate than "+other.cert, "SIGHUP")
	run(t, "", "healthcheck", "--addr", s.addr, "--tls-cert", p.key).wantRefusal(t, "--tls-cert (WIDGETD_TLS_CERT)", "holds no certificate")
	run(t, "", "healthcheck", "--addr", s.addr, "--tls-cert", "/nowhere").wantRefusal(t, "--tls-cert (WIDGETD_TLS_CERT)", "/nowhere")
}
