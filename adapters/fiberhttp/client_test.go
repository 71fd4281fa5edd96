package fiberhttp_test

import (
	"net/netip"
	"testing"
)

func TestClientIsTheLastAddressThatIsNoTrustedProxy(t *testing.T) {
	t.Parallel()
	local := netip.MustParsePrefix("127.0.0.0/8")
	inner := netip.MustParsePrefix("10.0.0.0/8")
	inner6 := netip.MustParsePrefix("fd00::/8")
	for name, test := range map[string]struct {
		trusted   []netip.Prefix
		forwarded []string // header lines
		client    string   // in the log
	}{
		"no proxy trusted":          {nil, []string{"203.0.113.7"}, "127.0.0.1"},
		"another proxy trusted":     {[]netip.Prefix{inner}, []string{"203.0.113.7"}, "127.0.0.1"},
		"no header":                 {[]netip.Prefix{local}, nil, "127.0.0.1"},
		"one proxy":                 {[]netip.Prefix{local}, []string{"203.0.113.7"}, "203.0.113.7"},
		"forged start":              {[]netip.Prefix{local}, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"forged as a proxy":         {[]netip.Prefix{local, inner}, []string{"198.51.100.1,10.0.0.9,203.0.113.7"}, "203.0.113.7"},
		"two proxies":               {[]netip.Prefix{local, inner}, []string{"198.51.100.1, 203.0.113.7, 10.0.0.9"}, "203.0.113.7"},
		"several headers":           {[]netip.Prefix{local, inner}, []string{"198.51.100.1", "203.0.113.7", "10.0.0.9"}, "203.0.113.7"},
		"several headers, one last": {[]netip.Prefix{local}, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"all trusted":               {[]netip.Prefix{local, inner}, []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		"odd spaces":                {[]netip.Prefix{local}, []string{" \t203.0.113.7\t "}, "203.0.113.7"},
		"garbage":                   {[]netip.Prefix{local}, []string{"garbage"}, "127.0.0.1"},
		"garbage, then a client":    {[]netip.Prefix{local}, []string{"ada@example.com, 203.0.113.7"}, "203.0.113.7"},
		"a client, then garbage":    {[]netip.Prefix{local}, []string{"203.0.113.7, garbage"}, "127.0.0.1"},
		"garbage behind a proxy":    {[]netip.Prefix{local, inner}, []string{"203.0.113.7, unknown, 10.0.0.9"}, "10.0.0.9"},
		"empty":                     {[]netip.Prefix{local}, []string{""}, "127.0.0.1"},
		"empty items":               {[]netip.Prefix{local}, []string{"203.0.113.7,,"}, "127.0.0.1"},
		"with a port":               {[]netip.Prefix{local}, []string{"203.0.113.7:443"}, "203.0.113.7"},
		"IPv6 with a port":          {[]netip.Prefix{local}, []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		"with a zone":               {[]netip.Prefix{local}, []string{"fe80::7%ada@example.com"}, "fe80::7"},
		"mapped IPv4":               {[]netip.Prefix{local}, []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		"mapped proxy":              {[]netip.Prefix{local, inner}, []string{"203.0.113.7, ::ffff:10.0.0.9"}, "203.0.113.7"},
		"IPv6":                      {[]netip.Prefix{local}, []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 proxy":                {[]netip.Prefix{local, inner6}, []string{"2001:db8::7, fd00::1"}, "2001:db8::7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(s *server) { s.config.TrustedProxies = test.trusted })
			r := request{method: "GET", path: "/healthz"}
			for _, line := range test.forwarded {
				r = r.with("X-Forwarded-For: " + line)
			}
			s.do(t, r)
			if got := s.log.Lines("request")[0]["client"]; got != test.client {
				t.Errorf("client is %v, want %s", got, test.client)
			}
		})
	}
}
