package introspection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

const (
	secret = "an introspection secret of 32 bytes"
	active = `{"active":true,"sub":"ab000000-0000-0000-0000-000000000001","exp":1795333506,"iat":1795329906,` +
		`"jti":"03000000-0000-0000-0000-000000000000","admin":true,"token_type":"bearer","iss":"https://a.example","aud":"shop"}`
	inactive = `{"active":false}`
)

// start is before the expiry of the active token.
var start = time.Unix(1795329910, 0)

// server is a server that introspects. It counts its requests.
type server struct {
	*httptest.Server
	requests atomic.Int64
	status   int
	body     string
}

// serve returns a server, and a client of it with a clock that stands still.
func serve(t *testing.T, change func(*Config)) (*server, *Client) {
	t.Helper()
	s := &server{status: 200, body: active}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if r.Method != http.MethodPost || r.URL.Path != "/shop/api/v1/auth/introspect" || r.PostFormValue("token") == "" ||
			r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("Idempotency-Key") != "" || r.URL.RawQuery != "" {
			t.Errorf("the request is %s %s %v", r.Method, r.URL, r.Header)
		}
		if s.status >= 300 && s.status < 400 {
			w.Header().Set("Location", s.URL+"/elsewhere")
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
	}))
	config := Config{URL: s.URL + "/shop/", Secret: secret}
	if change != nil {
		change(&config)
	}
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	client.now = func() time.Time { return start }
	t.Cleanup(func() {
		client.Close()
		s.Close()
	})
	return s, client
}

func TestActiveTokenHasItsClaims(t *testing.T) {
	t.Parallel()
	_, client := serve(t, nil)
	got, err := client.Authenticate(t.Context(), "a.good-token_~+/=")
	want := domain.Claims{
		ID: domain.UUID{3}, Subject: domain.UUID{0xab, 15: 1}, Admin: true, Issuer: "https://a.example", Audience: "shop",
		IssuedAt: time.Unix(1795329906, 0).UTC(), ExpiresAt: time.Unix(1795333506, 0).UTC(),
	}
	if got != want || err != nil {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

// TestEveryOtherAnswerRefuses fails if an answer lets a token through.
func TestEveryOtherAnswerRefuses(t *testing.T) {
	t.Parallel()
	without := func(field string) string { return strings.Replace(active, `"`+field+`"`, `"x"`, 1) }
	for _, test := range []struct {
		status int
		body   string
		want   error
		why    string
	}{
		{200, inactive, domain.ErrTokenInvalid, ""},
		{200, `{"active":false,"sub":"x"}`, domain.ErrTokenInvalid, ""},
		{200, `{}`, domain.Unavailable, "widgetd"},
		{200, `{"active":null}`, domain.Unavailable, "widgetd"},
		{200, `{"active":"true"}`, domain.Unavailable, "widgetd"},
		{200, `null`, domain.Unavailable, "widgetd"},
		{200, ``, domain.Unavailable, "widgetd"},
		{200, `<html>`, domain.Unavailable, "widgetd"},
		{200, active + active, domain.Unavailable, "widgetd"},
		{200, active[:len(active)-1] + `,"x":"` + strings.Repeat("x", maxResponseBytes) + `"}`, domain.Unavailable, "widgetd"},
		{200, without("sub"), domain.Unavailable, "sub"},
		{200, without("jti"), domain.Unavailable, "jti"},
		{200, without("exp"), domain.Unavailable, "exp"},
		{200, without("iat"), domain.Unavailable, "iat"},
		{200, strings.Replace(active, "1795333506", "1e300", 1), domain.Unavailable, "exp"},
		{201, active, domain.Unavailable, "status 201"},
		{302, active, domain.Unavailable, "status 302"},
		{307, active, domain.Unavailable, "status 307"},
		{400, active, domain.Unavailable, "status 400"},
		{401, active, domain.Unavailable, "refused the introspection secret"},
		{404, active, domain.Unavailable, "has no introspection"},
		{429, active, domain.Unavailable, "status 429"},
		{500, active, domain.Unavailable, "status 500"},
		{503, active, domain.Unavailable, "status 503"},
	} {
		s, client := serve(t, func(c *Config) { c.Remember = time.Second })
		s.status, s.body = test.status, test.body
		for range 2 { // the second answer does not come from the memory
			claims, err := client.Authenticate(t.Context(), "token")
			if claims != (domain.Claims{}) || !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.why) || strings.Contains(err.Error(), secret) {
				t.Errorf("%d %.60s: got %+v, %v; want %v with %q", test.status, test.body, claims, err, test.want, test.why)
			}
		}
		if got := s.requests.Load(); got != 2 {
			t.Errorf("%d %.60s: the server got %d requests", test.status, test.body, got)
		}
	}
}

func TestTextThatIsNoTokenIsNotSent(t *testing.T) {
	t.Parallel()
	s, client := serve(t, nil)
	for _, token := range []string{"", "a b", "a\x00", "\xff", "ü", "a\r\nb", "a,b", strings.Repeat("a", 100_000)} {
		if _, err := client.Authenticate(t.Context(), token); !errors.Is(err, domain.ErrTokenInvalid) {
			t.Errorf("%.20q: got %v", token, err)
		}
	}
	if got := s.requests.Load(); got != 0 {
		t.Errorf("the server got %d requests", got)
	}
}

func TestServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	silent := func(t *testing.T) (string, chan struct{}) {
		entered, end := make(chan struct{}, 1), make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			entered <- struct{}{}
			<-end
		}))
		t.Cleanup(s.Close)
		t.Cleanup(func() { close(end) })
		return s.URL, entered
	}
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		url, _ := silent(t)
		_, client := serve(t, func(c *Config) { c.URL, c.Timeout = url, 20*time.Millisecond })
		if _, err := client.Authenticate(t.Context(), "token"); !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("before the caller goes away", func(t *testing.T) {
		t.Parallel()
		url, entered := silent(t)
		_, client := serve(t, func(c *Config) { c.URL, c.Timeout = url, time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-entered
			cancel()
		}()
		if _, err := client.Authenticate(ctx, "token"); !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("at all", func(t *testing.T) {
		t.Parallel()
		s, client := serve(t, nil)
		s.Close()
		if _, err := client.Authenticate(t.Context(), "token"); !errors.Is(err, domain.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEveryTokenIsAskedForByDefault(t *testing.T) {
	t.Parallel()
	s, client := serve(t, nil)
	for range 3 {
		if _, err := client.Authenticate(t.Context(), "token"); err != nil {
			t.Error(err)
		}
	}
	s.body = inactive
	if _, err := client.Authenticate(t.Context(), "token"); !errors.Is(err, domain.ErrTokenInvalid) {
		t.Errorf("after the log-out: %v", err)
	}
	if got := s.requests.Load(); got != 4 {
		t.Errorf("the server got %d requests", got)
	}
}

func TestMemoryLastsAsLongAsIsSetAndNotLongerThanTheToken(t *testing.T) {
	t.Parallel()
	s, client := serve(t, func(c *Config) { c.Remember = 2 * time.Second })
	expiry := time.Unix(1795333506, 0)
	for _, step := range []struct {
		now      time.Time
		token    string
		requests int64
	}{
		{start, "a", 1},
		{start.Add(2*time.Second - 1), "a", 1},
		{start.Add(2*time.Second - 1), "b", 2},
		{start.Add(2 * time.Second), "a", 3}, // a use does not prolong it
		{expiry.Add(-time.Second), "a", 4},
		{expiry.Add(-1), "a", 4},
		{expiry, "a", 5},
	} {
		client.now = func() time.Time { return step.now }
		if _, err := client.Authenticate(t.Context(), step.token); err != nil {
			t.Error(err)
		}
		if got := s.requests.Load(); got != step.requests {
			t.Errorf("%v: the server got %d requests, want %d", step, got, step.requests)
		}
	}
	for i := range maxRemembered + 10 {
		client.memory.put(fmt.Sprint(i), domain.Claims{}, start)
	}
	if got := client.memory.found.Len(); got != maxRemembered {
		t.Errorf("the memory has %d tokens", got)
	}
}

func TestChecksAtOnce(t *testing.T) {
	t.Parallel()
	s, client := serve(t, func(c *Config) { c.Remember = time.Second })
	var checks sync.WaitGroup
	for i := range 8 {
		checks.Go(func() {
			for j := range 50 {
				if _, err := client.Authenticate(t.Context(), fmt.Sprintf("%d-%d", i, j%5)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	checks.Wait()
	if got := s.requests.Load(); got != 8*5 {
		t.Errorf("the server got %d requests", got)
	}
}

func TestConfigThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for field, configs := range map[string][]Config{
		"URL": {
			{Secret: secret}, {URL: "widgets.example", Secret: secret}, {URL: "ftp://a.example", Secret: secret},
			{URL: "https://", Secret: secret}, {URL: "https://a.example?x", Secret: secret}, {URL: "https://a.example/?", Secret: secret},
			{URL: "https://a.example#", Secret: secret}, {URL: "https://ada:sesame@a.example", Secret: secret}, {URL: "http://a\n", Secret: secret},
		},
		"Secret":   {{URL: "https://a.example"}, {URL: "https://a.example", Secret: secret + "\n"}, {URL: "https://a.example", Secret: "a\x01b"}},
		"Timeout":  {{URL: "https://a.example", Secret: secret, Timeout: -1}},
		"Remember": {{URL: "https://a.example", Secret: secret, Remember: -1}, {URL: "https://a.example", Secret: secret, Remember: MaxRemember + 1}},
	} {
		for _, config := range configs {
			_, err := New(config)
			if err == nil || !strings.Contains(err.Error(), "introspection: "+field+" must") || strings.Contains(err.Error(), "sesame") || strings.Contains(err.Error(), secret) {
				t.Errorf("%+v: got %v", config, err)
			}
		}
	}
}
