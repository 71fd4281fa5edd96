package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
)

// Config holds the settings of a server. [DefaultConfig] returns the defaults. A
// value that [New] or [App.Run] cannot use is reported as a [ConfigError].
type Config struct {
	Addr                    string         // host:port to listen on; port 0 picks a free one; required by Run only
	DataDir                 string         // folder of the embedded store and of the generated key
	MongoDBURI              string         // MongoDB that several servers share; empty: the embedded store
	LockMemory              bool           // keep the embedded store in memory, locked, so that no read waits for the disk
	TokenTTL                time.Duration  // lifetime of a token, in whole seconds
	BaseURL                 string         // URL of the server for clients, without /api/v1: the iss of tokens, its path begins links; empty: unknown
	TokenAudience           string         // the aud of tokens; empty: none
	SecretKey               string         // signs tokens, at least 32 bytes; empty: generated in DataDir; with MongoDB this or SigningKey is required
	PreviousSecretKeys      []string       // verify tokens but sign none, at least 32 bytes each
	SigningKey              string         // PEM file of a private key that signs tokens in place of SecretKey
	PreviousKeys            []string       // PEM files of keys, private or public, that verify tokens but sign none
	IntrospectionSecret     string         // authenticates services that check tokens, at least 32 bytes; empty: none may
	AdminEmail              string         // with AdminPassword: Start makes sure that this administrator exists
	AdminPassword           string         // set both AdminEmail and AdminPassword, or neither
	CORSOrigins             []string       // scheme://host[:port] each, or only "*" for all; empty: no other origin
	PasswordMinLength       int            // of new passwords, in characters
	MaxLoginFailures        int            // per client address and email in 15 minutes; 0: no limit
	RegistrationClosed      bool           // only administrators and the operator add accounts
	MaxRegistrations        int            // per client address and hour; 0: no limit
	TrustedProxies          []netip.Prefix // the proxies whose X-Forwarded-For is trusted
	TLSCert                 string         // file of the certificate chain, PEM; empty: no TLS
	TLSKey                  string         // file of the certificate's key, PEM
	HSTS                    bool           // with TLS: tell browsers to use HTTPS from now on
	MaxConnections          int            // connections open at once; 0: as many as memory and file descriptors allow, at most 10,000
	MaxConnectionsPerClient int            // of one client network; 0: a quarter of MaxConnections
	IdleTimeout             time.Duration  // the time that a connection may be idle between requests; 0: 75 seconds
	Audit                   bool           // keep the audit record; see WithAudit
	MetricsAddr             string         // host:port for metrics and profiles, on a private network; empty: none
}

// DefaultConfig returns the defaults of all settings.
func DefaultConfig() Config {
	return Config{
		Addr:              "127.0.0.1:8080",
		DataDir:           "widgetd-data",
		TokenTTL:          time.Hour,
		CORSOrigins:       []string{"*"},
		PasswordMinLength: 1,
		MaxLoginFailures:  10,
		MaxRegistrations:  100,
		HSTS:              true,
		Audit:             true,
		IdleTimeout:       fiberhttp.DefaultIdleTimeout,
	}
}

// ConfigError reports fields of a [Config] whose values cannot be used.
type ConfigError struct {
	Fields []string // their names, usually one
	Err    error    // the reason, without the names
}

// Error returns the message with the names of the fields.
func (e *ConfigError) Error() string {
	return e.Describe(func(field string) string { return field })
}

// Describe returns the message with name(field) in place of each field's name. For
// example, name can return the flag that sets the field.
func (e *ConfigError) Describe(name func(field string) string) string {
	names := make([]string, len(e.Fields))
	for i, field := range e.Fields {
		names[i] = name(field)
	}
	separator, reason := ": ", e.Err.Error()
	if strings.HasPrefix(reason, "must ") {
		separator = " "
	}
	return strings.Join(names, " and ") + separator + reason
}

// Unwrap returns the reason.
func (e *ConfigError) Unwrap() error { return e.Err }

// configError returns nil if err is nil, else a ConfigError.
func configError(err error, fields ...string) error {
	if err == nil {
		return nil
	}
	return &ConfigError{Fields: fields, Err: err}
}

// check returns a ConfigError for the first field whose value cannot be used.
func (c Config) check() error {
	if problems := c.Problems(); len(problems) > 0 {
		return problems[0]
	}
	return nil
}

// Problems returns a [ConfigError] for each field whose value cannot be used, as far as
// that is known before the store is opened.
func (c Config) Problems() (problems []error) {
	_, origins := fiberhttp.ParseOrigins(c.CORSOrigins)
	_, proxies := normalProxies(c.TrustedProxies)
	_, baseURL := normalBaseURL(c.BaseURL)
	_, _, admin := c.admin()
	for _, err := range []error{
		configError(origins, "CORSOrigins"),
		configError(proxies, "TrustedProxies"),
		configError(checkMongoDBURI(c.MongoDBURI), "MongoDBURI"),
		configError(checkOptionalAddr(c.Addr), "Addr"),
		configError(checkOptionalAddr(c.MetricsAddr), "MetricsAddr"),
		configError(checkTokenTTL(c.TokenTTL), "TokenTTL"),
		configError(baseURL, "BaseURL"),
		configError(checkText(c.TokenAudience), "TokenAudience"),
		configError(checkSecretKey(c.SecretKey), "SecretKey"),
		configError(checkPreviousSecrets(c.PreviousSecretKeys), "PreviousSecretKeys"),
		configError(checkOneSigningKey(c.SecretKey, c.SigningKey), "SecretKey", "SigningKey"),
		configError(checkHeaderSecret(c.IntrospectionSecret), "IntrospectionSecret"),
		configError(c.checkIntrospectionDiffers(), "IntrospectionSecret"),
		configError(checkRange(c.PasswordMinLength, 1, domain.MaxPasswordBytes), "PasswordMinLength"),
		configError(checkNotNegative(c.MaxLoginFailures), "MaxLoginFailures"),
		configError(checkNotNegative(c.MaxRegistrations), "MaxRegistrations"),
		configError(checkNotNegative(c.MaxConnections), "MaxConnections"),
		configError(checkNotNegative(c.MaxConnectionsPerClient), "MaxConnectionsPerClient"),
		configError(checkIdleTimeout(c.IdleTimeout), "IdleTimeout"),
		configError(checkBothOrNeither(c.TLSCert, c.TLSKey), "TLSCert", "TLSKey"),
		admin,
	} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// normal returns the config with its origins, networks and base URL in the one form that
// the server compares, or a ConfigError for the first field whose value cannot be
// used.
func (c Config) normal() (Config, error) {
	var err error
	if c.CORSOrigins, err = fiberhttp.ParseOrigins(c.CORSOrigins); err != nil {
		return c, configError(err, "CORSOrigins")
	}
	if c.TrustedProxies, err = normalProxies(c.TrustedProxies); err != nil {
		return c, configError(err, "TrustedProxies")
	}
	if c.BaseURL, err = normalBaseURL(c.BaseURL); err != nil {
		return c, configError(err, "BaseURL")
	}
	return c, c.check()
}

func normalBaseURL(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return fiberhttp.ParseBaseURL(text)
}

// passwordPolicy returns the rule for new passwords.
func (c Config) passwordPolicy() domain.PasswordPolicy {
	return domain.PasswordPolicy{MinLength: c.PasswordMinLength}
}

// CheckNewPassword returns an Invalid error if the password breaks a rule of the config
// for new passwords.
func (c Config) CheckNewPassword(password domain.Password) error {
	return c.passwordPolicy().Check(password)
}

// admin returns the email and password of the configured administrator. Both are zero
// values if no administrator is configured.
func (c Config) admin() (domain.Email, domain.Password, error) {
	if c.AdminEmail == "" && c.AdminPassword == "" {
		return domain.Email{}, domain.Password{}, nil
	}
	if err := checkBothOrNeither(c.AdminEmail, c.AdminPassword); err != nil {
		return domain.Email{}, domain.Password{}, configError(err, "AdminEmail", "AdminPassword")
	}
	email, err := domain.ParseEmail(c.AdminEmail)
	if err != nil {
		return domain.Email{}, domain.Password{}, configError(err, "AdminEmail")
	}
	password, err := domain.ParsePassword(c.AdminPassword)
	if err == nil {
		err = c.passwordPolicy().Check(password)
	}
	return email, password, configError(err, "AdminPassword")
}

// checkMongoDBURI returns an error for a malformed URI. An empty one is no error: it
// stands for the embedded store.
func checkMongoDBURI(uri string) error {
	if uri == "" {
		return nil
	}
	return mongodb.CheckURI(uri)
}

func checkOptionalAddr(addr string) error {
	if addr == "" {
		return nil
	}
	return checkAddr(addr)
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port: write a number up to 65535", port)
	}
	return nil
}

func checkTokenTTL(ttl time.Duration) error {
	if ttl < time.Second || ttl%time.Second != 0 {
		return fmt.Errorf("must be whole seconds, at least 1s, not %s", ttl)
	}
	return nil
}

func checkIdleTimeout(timeout time.Duration) error {
	if timeout != 0 && timeout < time.Second {
		return fmt.Errorf("must be at least 1s, not %s", timeout)
	}
	return nil
}

func checkSecretKey(key string) error {
	if key != "" && len(key) < jwtsigner.MinSecretBytes {
		return fmt.Errorf("must be at least %d bytes long, not %d", jwtsigner.MinSecretBytes, len(key))
	}
	return nil
}

// checkIntrospectionDiffers returns an error if a service that may check tokens could also
// sign them.
func (c Config) checkIntrospectionDiffers() error {
	if c.IntrospectionSecret != "" && slices.Contains(slices.Concat(c.PreviousSecretKeys, []string{c.SecretKey}), c.IntrospectionSecret) {
		return errors.New("must differ from the secrets that sign tokens: whoever has it could make tokens")
	}
	return nil
}

// checkHeaderSecret checks a secret that is sent in a header.
func checkHeaderSecret(secret string) error {
	if err := checkSecretKey(secret); err != nil {
		return err
	}
	if strings.TrimSpace(secret) != secret {
		return errors.New("must not begin or end with space, which a header cannot have there")
	}
	return checkText(secret)
}

// checkText returns an error for a text that a token or a header cannot have.
func checkText(text string) error {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("must be UTF-8 text without control characters")
	}
	return nil
}

func checkRange(value, least, most int) error {
	if value < least || value > most {
		return fmt.Errorf("must be from %d to %d, not %d", least, most, value)
	}
	return nil
}

func checkNotNegative(value int) error {
	if value < 0 {
		return fmt.Errorf("must be 0 or more, not %d", value)
	}
	return nil
}

func checkBothOrNeither(a, b string) error {
	if (a == "") != (b == "") {
		return errors.New("must be set both or neither")
	}
	return nil
}
