package mongotest

import (
	"net"
	"strings"
	"testing"
)

func TestServerStopsWhenItsTestEnds(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB) *Server{"replica set": Start, "single server": StartSingle} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var addresses []string
			t.Run("test", func(t *testing.T) {
				server := start(t)
				addresses = strings.Split(server.addresses(), ",")
				for range 2 {
					wantListening(t, addresses, true)
					server.Kill(t)
					wantListening(t, addresses, false)
					server.Restart(t)
				}
			})
			wantListening(t, addresses, false)
		})
	}
}

func wantListening(t *testing.T, addresses []string, want bool) {
	t.Helper()
	for _, address := range addresses {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		if listening := err == nil; listening != want {
			t.Errorf("a server listens at %s: %t, want %t", address, listening, want)
		}
	}
}

func TestDatabaseReturnsANewDatabaseEachTime(t *testing.T) {
	t.Parallel()
	server := Start(t)
	if one, other := server.Database(t), server.Database(t); one == other {
		t.Errorf("Database returned %s twice", one)
	}
}

func TestWithDatabaseKeepsCredentials(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"mongodb://a":                           "mongodb://a/x",
		"mongodb://a/":                          "mongodb://a/x",
		"mongodb://a,b:1/old?replicaSet=rs":     "mongodb://a,b:1/x?replicaSet=rs",
		"mongodb+srv://a/?tls=true":             "mongodb+srv://a/x?tls=true",
		"mongodb://ada:pw@a":                    "mongodb://ada:pw@a/x?authSource=admin",
		"mongodb://ada:pw@a/users":              "mongodb://ada:pw@a/x?authSource=users",
		"mongodb://ada:pw@a/?tls=true":          "mongodb://ada:pw@a/x?tls=true&authSource=admin",
		"mongodb://ada:pw@a/old?authsource=sso": "mongodb://ada:pw@a/x?authsource=sso",
	} {
		if got := withDatabase(uri, "x"); got != want {
			t.Errorf("withDatabase(%s) is %s, want %s", uri, got, want)
		}
	}
}
