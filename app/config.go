package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
)

// Config is the settings of a server. See the README for what each means; the
// names here are those of the flags and the variables, in Go's spelling.
type Config struct {
	Addr              string        // host:port to listen on; port 0 picks one. Needed by Run only
	DataDir           string        // folder of the embedded store and the generated key
	MongoDBURI        string        // of the store that servers share; empty: the embedded one
	TokenTTL          time.Duration // whole seconds
	SecretKey         string        // at least 32 bytes; empty: kept in DataDir, but with MongoDB there must be one
	AdminEmail        string        // with AdminPassword: an administrator who exists
	AdminPassword     string        // once the server is up
	CORSOrigins       []string      // scheme://host[:port] each, or "*" alone; none: no other origin
	PasswordMinLength int           // characters
	MaxLoginFailures  int           // per client address and email in 15 minutes; 0: any number
	MaxRegistrations  int           // per client address and hour; 0: any number
	TrustedProxies    []netip.Prefix
	TLSCert           string // file of the certificate chain, PEM; empty: no TLS
	TLSKey            string // file of its key
	MetricsAddr       string // host:port of metrics and profiles, for the operator only; empty: none
}

// check returns an error that names the first setting that is of no use.
func (c Config) check() error {
	if err := checkAddr(c.Addr); err != nil && c.Addr != "" {
		return fmt.Errorf("--addr (WIDGETD_ADDR): %w", err)
	}
	if err := checkAddr(c.MetricsAddr); err != nil && c.MetricsAddr != "" {
		return metricsAddrError(err)
	}
	switch {
	case c.TokenTTL < time.Second || c.TokenTTL%time.Second != 0:
		return fmt.Errorf("--token-ttl (WIDGETD_TOKEN_TTL) must be whole seconds, at least 1s, not %s", c.TokenTTL)
	case c.SecretKey != "" && len(c.SecretKey) < jwtsigner.MinSecretBytes:
		return fmt.Errorf("WIDGETD_SECRET_KEY must be at least %d bytes long, not %d", jwtsigner.MinSecretBytes, len(c.SecretKey))
	case c.PasswordMinLength < 1 || c.PasswordMinLength > domain.MaxPasswordBytes:
		return fmt.Errorf("--password-min-length (WIDGETD_PASSWORD_MIN_LENGTH) must be from 1 to %d, not %d",
			domain.MaxPasswordBytes, c.PasswordMinLength)
	case c.MaxLoginFailures < 0:
		return fmt.Errorf("--max-login-failures (WIDGETD_MAX_LOGIN_FAILURES) must be 0 or more, not %d", c.MaxLoginFailures)
	case c.MaxRegistrations < 0:
		return fmt.Errorf("--max-registrations (WIDGETD_MAX_REGISTRATIONS) must be 0 or more, not %d", c.MaxRegistrations)
	}
	if err := checkOrigins(c.CORSOrigins); err != nil {
		return fmt.Errorf("--cors-origins (WIDGETD_CORS_ORIGINS): %w", err)
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	_, _, err := c.admin()
	return err
}

// admin returns the administrator of the settings, if they name one: the zero
// Email if not.
func (c Config) admin() (domain.Email, domain.Password, error) {
	if c.AdminEmail == "" && c.AdminPassword == "" {
		return domain.Email{}, domain.Password{}, nil
	}
	if c.AdminEmail == "" || c.AdminPassword == "" {
		return domain.Email{}, domain.Password{}, errors.New("WIDGETD_ADMIN_EMAIL and WIDGETD_ADMIN_PASSWORD must be set both or neither")
	}
	email, err := domain.ParseEmail(c.AdminEmail)
	if err != nil {
		return domain.Email{}, domain.Password{}, fmt.Errorf("WIDGETD_ADMIN_EMAIL: %w", err)
	}
	password, err := domain.ParseNewPassword(c.AdminPassword, c.PasswordMinLength)
	if err != nil {
		return domain.Email{}, domain.Password{}, fmt.Errorf("WIDGETD_ADMIN_PASSWORD: %w", err)
	}
	return email, password, nil
}

func metricsAddrError(err error) error {
	return fmt.Errorf("--metrics-addr (WIDGETD_METRICS_ADDR): %w", err)
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is no port: write a number up to 65535", port)
	}
	return nil
}

func checkOrigins(origins []string) error {
	if len(origins) == 1 && origins[0] == "*" {
		return nil
	}
	for _, origin := range origins {
		if !isOrigin(origin) {
			return fmt.Errorf("%q is no origin: write scheme://host or scheme://host:port, or * alone for all", origin)
		}
	}
	return nil
}

// isOrigin reports whether s is a web origin as browsers write it (RFC 6454
// section 6.1).
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Scheme+"://"+u.Host != s {
		return false
	}
	if port := u.Port(); port != "" {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	return err == nil && !strings.HasSuffix(s, ":") && !strings.Contains(s, "*")
}
