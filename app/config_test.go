package app_test

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/app"
	"github.com/widgetd/widgetd/domain"
)

func TestNewNamesTheFieldsThatItRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set    func(*app.Config)
		fields string
	}{
		"port above 65535":                   {func(c *app.Config) { c.Addr = "127.0.0.1:65536" }, "Addr"},
		"address without a port":             {func(c *app.Config) { c.Addr = "localhost" }, "Addr"},
		"metrics without a port":             {func(c *app.Config) { c.MetricsAddr = "localhost" }, "MetricsAddr"},
		"lifetime of zero":                   {func(c *app.Config) { c.TokenTTL = 0 }, "TokenTTL"},
		"negative lifetime":                  {func(c *app.Config) { c.TokenTTL = -time.Hour }, "TokenTTL"},
		"lifetime of half a second":          {func(c *app.Config) { c.TokenTTL = time.Second / 2 }, "TokenTTL"},
		"lifetime with half a second":        {func(c *app.Config) { c.TokenTTL = 3 * time.Second / 2 }, "TokenTTL"},
		"key of 31 bytes":                    {func(c *app.Config) { c.SecretKey = strings.Repeat("k", 31) }, "SecretKey"},
		"minimum length of zero":             {func(c *app.Config) { c.PasswordMinLength = 0 }, "PasswordMinLength"},
		"minimum length over the limit":      {func(c *app.Config) { c.PasswordMinLength = 1025 }, "PasswordMinLength"},
		"negative log-in failures":           {func(c *app.Config) { c.MaxLoginFailures = -1 }, "MaxLoginFailures"},
		"negative registrations":             {func(c *app.Config) { c.MaxRegistrations = -1 }, "MaxRegistrations"},
		"negative connections":               {func(c *app.Config) { c.MaxConnections = -1 }, "MaxConnections"},
		"negative connections per client":    {func(c *app.Config) { c.MaxConnectionsPerClient = -1 }, "MaxConnectionsPerClient"},
		"idle timeout of half a second":      {func(c *app.Config) { c.IdleTimeout = time.Second / 2 }, "IdleTimeout"},
		"negative idle timeout":              {func(c *app.Config) { c.IdleTimeout = -time.Minute }, "IdleTimeout"},
		"origin without a scheme":            {func(c *app.Config) { c.CORSOrigins = []string{"example.com"} }, "CORSOrigins"},
		"origin of another scheme":           {func(c *app.Config) { c.CORSOrigins = []string{"file://x"} }, "CORSOrigins"},
		"origin with a path":                 {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com/"} }, "CORSOrigins"},
		"origin with a user":                 {func(c *app.Config) { c.CORSOrigins = []string{"https://me@example.com"} }, "CORSOrigins"},
		"origin with a wildcard":             {func(c *app.Config) { c.CORSOrigins = []string{"https://*.example.com"} }, "CORSOrigins"},
		"origin with an empty port":          {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com:"} }, "CORSOrigins"},
		"origin with a huge port":            {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com:99999"} }, "CORSOrigins"},
		"* and an origin":                    {func(c *app.Config) { c.CORSOrigins = []string{"*", "https://example.com"} }, "CORSOrigins"},
		"origin and an empty text":           {func(c *app.Config) { c.CORSOrigins = []string{"https://example.com", ""} }, "CORSOrigins"},
		"the origin null":                    {func(c *app.Config) { c.CORSOrigins = []string{"null"} }, "CORSOrigins"},
		"origin with a wrong A-label":        {func(c *app.Config) { c.CORSOrigins = []string{"https://xn--a.example"} }, "CORSOrigins"},
		"no network as proxy":                {func(c *app.Config) { c.TrustedProxies = []netip.Prefix{{}} }, "TrustedProxies"},
		"proxy without an address":           {proxies("0.0.0.0/32"), "TrustedProxies"},
		"proxy without an IPv6 address":      {proxies("10.0.0.0/8", "::/128"), "TrustedProxies"},
		"mapped proxy at no address":         {proxies("::ffff:0.0.0.0/128"), "TrustedProxies"},
		"mapped and other proxies":           {proxies("::ffff:10.0.0.0/95"), "TrustedProxies"},
		"administrator's email only":         {func(c *app.Config) { c.AdminEmail = adminEmail }, "AdminEmail and AdminPassword"},
		"administrator's password only":      {func(c *app.Config) { c.AdminPassword = adminPassword }, "AdminEmail and AdminPassword"},
		"invalid administrator's email":      {func(c *app.Config) { c.AdminEmail, c.AdminPassword = "root", adminPassword }, "AdminEmail: root"},
		"administrator's password too short": {func(c *app.Config) { *c = withAdmin(); c.PasswordMinLength = 50 }, "AdminPassword: "},
		"administrator's password too long":  {func(c *app.Config) { *c = withAdmin(); c.AdminPassword = strings.Repeat("x", 1025) }, "AdminPassword: "},
		"base URL without a scheme":          {func(c *app.Config) { c.BaseURL = "api.example" }, "BaseURL"},
		"base URL with a user":               {func(c *app.Config) { c.BaseURL = "https://me@api.example" }, "BaseURL"},
		"audience with a control character":  {func(c *app.Config) { c.TokenAudience = "a\tb" }, "TokenAudience"},
		"audience that is not UTF-8":         {func(c *app.Config) { c.TokenAudience = "\xff" }, "TokenAudience"},
		"previous key of 31 bytes":           {func(c *app.Config) { c.PreviousSecretKeys = []string{strings.Repeat("k", 32), strings.Repeat("l", 31)} }, "PreviousSecretKeys"},
		"empty previous key":                 {func(c *app.Config) { c.PreviousSecretKeys = []string{""} }, "PreviousSecretKeys"},
		"two keys to sign":                   {func(c *app.Config) { c.SigningKey = "key.pem" }, "SecretKey and SigningKey"},
		"no file of the key":                 {func(c *app.Config) { c.SecretKey, c.SigningKey = "", "/nowhere" }, "SigningKey: open /nowhere"},
		"no file of a previous key":          {func(c *app.Config) { c.PreviousKeys = []string{"/nowhere"} }, "PreviousKeys: open /nowhere"},
		"the key is a previous one too":      {func(c *app.Config) { c.PreviousSecretKeys = []string{c.SecretKey} }, "SecretKey and PreviousSecretKeys"},
		"introspection by 31 bytes":          {func(c *app.Config) { c.IntrospectionSecret = strings.Repeat("k", 31) }, "IntrospectionSecret"},
		"introspection by the key":           {func(c *app.Config) { c.IntrospectionSecret = c.SecretKey }, "IntrospectionSecret"},
		"introspection by a previous key": {func(c *app.Config) {
			c.PreviousSecretKeys = []string{strings.Repeat("p", 32)}
			c.IntrospectionSecret = c.PreviousSecretKeys[0]
		}, "IntrospectionSecret"},
		"introspection by space":        {func(c *app.Config) { c.IntrospectionSecret = strings.Repeat("k", 32) + " " }, "IntrospectionSecret"},
		"introspection by a line break": {func(c *app.Config) { c.IntrospectionSecret = strings.Repeat("k", 32) + "\nk" }, "IntrospectionSecret"},
		"certificate without a key":     {func(c *app.Config) { c.TLSCert = "cert.pem" }, "TLSCert and TLSKey"},
		"key without a certificate":     {func(c *app.Config) { c.TLSKey = "key.pem" }, "TLSCert and TLSKey"},
		"missing certificate file":      {func(c *app.Config) { c.TLSCert, c.TLSKey = "/nowhere", "/nowhere" }, "TLSCert and TLSKey: "},
		"no data folder":                {func(c *app.Config) { c.DataDir = "" }, "DataDir"},
		"a file as data folder":         {func(c *app.Config) { c.DataDir = os.DevNull }, "DataDir"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config()
			c.DataDir = filepath.Join(t.TempDir(), "data")
			test.set(&c)
			_, err := app.New(t.Context(), c)
			if _, ok := errors.AsType[*app.ConfigError](err); !ok || !strings.HasPrefix(err.Error(), test.fields) || strings.Contains(err.Error(), adminPassword) {
				t.Errorf("got %v, want a ConfigError that begins with %s", err, test.fields)
			}
			if _, err := os.Stat(c.DataDir); err == nil && c.DataDir != os.DevNull {
				t.Error("the data folder was created")
			}
		})
	}
}

// proxies returns a change of a config that trusts networks.
func proxies(networks ...string) func(*app.Config) {
	return func(c *app.Config) {
		for _, network := range networks {
			c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix(network))
		}
	}
}

func TestProxiesBecomeTheNetworksOfClientAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.0/8":              "10.0.0.0/8",
		"10.0.0.1/8":              "10.0.0.0/8",
		"10.0.0.1/32":             "10.0.0.1/32",
		"0.0.0.0/0":               "0.0.0.0/0",
		"::ffff:127.0.0.1/128":    "127.0.0.1/32",
		"::ffff:10.0.0.0/104":     "10.0.0.0/8",
		"::ffff:10.1.2.3/104":     "10.0.0.0/8",
		"::ffff:0.0.0.0/96":       "0.0.0.0/0",
		"::1/128":                 "::1/128",
		"::/0":                    "::/0",
		"2001:db8:1:2:3:4:5:6/64": "2001:db8:1:2::/64",
	} {
		got, err := app.NormalProxies([]netip.Prefix{netip.MustParsePrefix(text)})
		if err != nil || len(got) != 1 || got[0].String() != want {
			t.Errorf("%s became %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestConfigErrorDescribesItselfWithOtherNames(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*app.ConfigError{
		"--a must be 1":               {Fields: []string{"A"}, Err: errors.New("must be 1")},
		"--a: file not found":         {Fields: []string{"A"}, Err: errors.New("file not found")},
		"--a and --b must be set":     {Fields: []string{"A", "B"}, Err: errors.New("must be set")},
		"--a and --b: file not found": {Fields: []string{"A", "B"}, Err: errors.New("file not found")},
	} {
		if got := err.Describe(func(field string) string { return "--" + strings.ToLower(field) }); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDefaultConfigIsAccepted(t *testing.T) {
	t.Parallel()
	c := app.DefaultConfig()
	c.SecretKey = config().SecretKey
	if _, err := app.New(t.Context(), c, inMemory().options(slog.New(slog.DiscardHandler))...); err != nil {
		t.Error(err)
	}
}

func TestNewAcceptsSettingsAtTheirLimits(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*app.Config){
		"none changed":                 func(*app.Config) {},
		"tokens of one second":         func(c *app.Config) { c.TokenTTL = time.Second },
		"longest password":             func(c *app.Config) { c.PasswordMinLength = domain.MaxPasswordBytes },
		"origins with ports":           func(c *app.Config) { c.CORSOrigins = []string{"https://a.example:8443", "http://[::1]:80"} },
		"origins as people write them": func(c *app.Config) { c.CORSOrigins = []string{"HTTPS://A.example:443", "https://münchen.example"} },
		"no origins":                   func(c *app.Config) { c.CORSOrigins = nil },
		"an administrator":             func(c *app.Config) { *c = withAdmin() },
		"huge limits":                  func(c *app.Config) { c.MaxLoginFailures, c.MaxRegistrations = 1<<40, 1<<40 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config()
			set(&c)
			if _, err := app.New(t.Context(), c, inMemory().options(slog.New(slog.DiscardHandler))...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRunReturnsAnErrorWithoutAnAddress(t *testing.T) {
	t.Parallel()
	c := config()
	c.Addr = ""
	a, err := app.New(t.Context(), c, inMemory().options(slog.New(slog.DiscardHandler))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "Addr: ") {
		t.Errorf("got %v", err)
	}
}
