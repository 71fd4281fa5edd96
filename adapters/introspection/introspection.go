// Package introspection checks tokens by asking a widgetd that runs elsewhere (RFC 7662). A
// log-out there counts in the asking program at once. A [Client] is an authenticator for the
// packages httpauth and fiberauth:
//
//	client, err := introspection.New(introspection.Config{URL: "https://widgets.example", Secret: secret})
//	if err != nil {
//		return err
//	}
//	require := httpauth.New(client, nil)
//
// The server needs an introspection secret in its settings (WIDGETD_INTROSPECTION_SECRET), and
// the client the same one. If the server does not answer, Authenticate returns
// [domain.Unavailable] and accepts no token.
package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
)

const (
	// DefaultTimeout bounds the check of a token. It is shorter than the 5 seconds in
	// which widgetd answers, because the caller of the program waits meanwhile.
	DefaultTimeout = 3 * time.Second
	// MaxRemember is the longest time for [Config.Remember].
	MaxRemember = 5 * time.Second

	endpoint = "/api/v1/auth/introspect"

	// maxTokenBytes is the largest size of a token. widgetd accepts no larger headers.
	maxTokenBytes = 8 << 10
	// maxResponseBytes is much more than the response has.
	maxResponseBytes = 64 << 10
	// maxConnections is the number of connections that are kept open for the next checks.
	maxConnections = 64
	// idleTimeout is less than that of widgetd, so that no check meets a connection that
	// the server is closing.
	idleTimeout = 30 * time.Second
)

// Config is the configuration of a [Client].
type Config struct {
	// URL is the URL of the server without /api/v1, like "https://widgets.example" or
	// "https://example.com/shop". With http in place of https, everyone in the network
	// between can read the secret and the tokens.
	URL string
	// Secret is the introspection secret of the server.
	Secret string
	// Timeout bounds the check of a token. 0 is DefaultTimeout.
	Timeout time.Duration
	// Remember is how long the client uses an answer again for the same token, at most
	// MaxRemember. For that time after a log-out, the client still accepts the token, and
	// the user's rights may be out of date. 0, the default, asks for every request.
	Remember time.Duration
	// Transport sends the requests. nil is a transport of the client's own, like
	// [http.DefaultTransport].
	Transport http.RoundTripper
}

// Client checks tokens by asking a server. Make one with [New]. It is safe for concurrent
// use.
type Client struct {
	url, secret string
	timeout     time.Duration
	http        *http.Client
	memory      *memory // nil: nothing is remembered
	now         func() time.Time
}

// New returns a client. It does not connect to the server. The error names the field of
// the config that cannot be used.
func New(config Config) (*Client, error) {
	base, err := parseURL(config.URL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("introspection: URL %w", err)
	case config.Secret == "" || strings.TrimSpace(config.Secret) != config.Secret || strings.ContainsFunc(config.Secret, isControl):
		return nil, errors.New("introspection: Secret must have no line ends, no control characters, no space around it, and must not be empty")
	case config.Timeout < 0:
		return nil, fmt.Errorf("introspection: Timeout must not be negative, but is %s", config.Timeout)
	case config.Remember < 0 || config.Remember > MaxRemember:
		return nil, fmt.Errorf("introspection: Remember must be from 0 to %s, but is %s", MaxRemember, config.Remember)
	}
	c := &Client{url: base + endpoint, secret: config.Secret, timeout: config.Timeout, now: time.Now}
	if c.timeout == 0 {
		c.timeout = DefaultTimeout
	}
	if config.Remember > 0 {
		c.memory = newMemory(config.Remember)
	}
	if config.Transport == nil {
		config.Transport = newTransport()
	}
	c.http = &http.Client{
		Transport: config.Transport,
		// A redirect would send the secret and the token to another server.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          maxConnections,
		MaxIdleConnsPerHost:   maxConnections,
		IdleConnTimeout:       idleTimeout,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// parseURL returns the URL without a slash at its end. The error does not have the URL,
// which may have a password.
func parseURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return "", errors.New("must be like https://host or https://host/path")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", errors.New("must have no user, no query and no fragment")
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Close closes the connections that are idle. The client can be used afterwards.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Authenticate returns the claims of a valid token. It returns [domain.ErrTokenInvalid] for
// every other token: the server does not say why. It returns an Unavailable error if the
// server does not answer in time, refuses the secret, or sends any other response.
// The claims have no NotBefore and no CutOff.
func (c *Client) Authenticate(ctx context.Context, token string) (domain.Claims, error) {
	if len(token) > maxTokenBytes || !isToken(token) {
		return domain.Claims{}, domain.ErrTokenInvalid
	}
	asked := c.now() // the answer may be as old as the question
	if claims, found := c.memory.get(token, asked); found {
		return claims, nil
	}
	claims, err := c.ask(ctx, token)
	if err != nil {
		return domain.Claims{}, err
	}
	c.memory.put(token, claims, asked)
	return claims, nil
}

// isToken reports whether a text has only the characters of RFC 6750 section 2.1.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		isLetter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		return !isLetter && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/=", r)
	})
}

// ask asks the server about a token.
func (c *Client) ask(ctx context.Context, token string) (domain.Claims, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return domain.Claims{}, unavailable(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.secret)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	// Package net/http sends the request again if the server closes the connection. The
	// header is not sent.
	request.Header["Idempotency-Key"] = []string{}
	response, err := c.http.Do(request)
	if err != nil {
		return domain.Claims{}, unavailable(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBytes))
	if err != nil {
		return domain.Claims{}, unavailable(err)
	}
	if err := checkStatus(response.StatusCode); err != nil {
		return domain.Claims{}, unavailable(err)
	}
	return parse(body)
}

// checkStatus returns an error for any status but 200. It says what to do.
func checkStatus(status int) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return errors.New("the server refused the introspection secret: use the one in its settings")
	case http.StatusNotFound:
		return errors.New("the server has no introspection: check the URL, and set an introspection secret in its settings")
	}
	return fmt.Errorf("the server answered with status %d", status)
}

func unavailable(cause error) error {
	return &domain.Error{Kind: domain.Unavailable, Err: fmt.Errorf("introspection: %w", cause)}
}

// answer is the response of the server.
type answer struct {
	Active    *bool   `json:"active"`
	Subject   string  `json:"sub"`
	ID        string  `json:"jti"`
	ExpiresAt float64 `json:"exp"`
	IssuedAt  float64 `json:"iat"`
	Admin     bool    `json:"admin"`
	Issuer    string  `json:"iss"`
	Audience  string  `json:"aud"`
}

// parse returns the claims in a response.
func parse(body []byte) (domain.Claims, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil || a.Active == nil {
		return domain.Claims{}, unavailable(errors.New("the answer is not that of a widgetd: check the URL"))
	}
	if !*a.Active {
		return domain.Claims{}, domain.ErrTokenInvalid
	}
	subject, err := domain.ParseUUID(a.Subject)
	if err != nil {
		return domain.Claims{}, unavailable(errors.New("the answer has no valid sub"))
	}
	id, err := domain.ParseUUID(a.ID)
	if err != nil {
		return domain.Claims{}, unavailable(errors.New("the answer has no valid jti"))
	}
	if !isTime(a.ExpiresAt) || !isTime(a.IssuedAt) {
		return domain.Claims{}, unavailable(errors.New("the answer has no valid exp or iat"))
	}
	return domain.Claims{
		ID:        id,
		Subject:   subject,
		Admin:     a.Admin,
		IssuedAt:  time.Unix(int64(a.IssuedAt), 0).UTC(),
		ExpiresAt: time.Unix(int64(a.ExpiresAt), 0).UTC(),
		Issuer:    a.Issuer,
		Audience:  a.Audience,
	}, nil
}

// isTime reports whether a number of seconds is a time after 1970 that a claim can have.
func isTime(seconds float64) bool { return seconds > 0 && seconds < math.MaxInt32*1000.0 }
