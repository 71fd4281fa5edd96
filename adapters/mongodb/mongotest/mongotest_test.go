package mongotest

import (
	"net"
	"strings"
	"testing"
)

func TestServerStopsWithItsTest(t *testing.T) {
	t.Parallel()
	var address string
	t.Run("test", func(t *testing.T) {
		server := Start(t)
		address = strings.Trim(strings.TrimPrefix(server.uri, "mongodb://"), "/")
		for range 2 {
			wantListening(t, address, true)
			server.Kill(t)
			wantListening(t, address, false)
			server.Restart(t)
		}
	})
	wantListening(t, address, false)
}

func wantListening(t *testing.T, address string, want bool) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	if listening := err == nil; listening != want {
		t.Errorf("somebody listens at %s: %t", address, listening)
	}
}

func TestDatabasesAreTheTestsOwn(t *testing.T) {
	t.Parallel()
	server := Start(t)
	if one, other := server.Database(t), server.Database(t); one == other {
		t.Errorf("%s was given out twice", one)
	}
}

func TestWithDatabase(t *testing.T) {
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
			t.Errorf("%s becomes %s, want %s", uri, got, want)
		}
	}
}
