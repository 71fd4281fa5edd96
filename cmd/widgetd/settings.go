package main

import (
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/widgetd/widgetd/app"
)

// The variables of flags whose values may hold a password.
const (
	mongoDBURIVariable = "WIDGETD_MONGODB_URI"
	baseURLVariable    = "WIDGETD_BASE_URL" // such a URL is refused
	signingKeyVariable = "WIDGETD_SIGNING_KEY"
)

// The settings that have a variable but no flag.
const (
	secretKeyVariable           = "WIDGETD_SECRET_KEY"
	previousSecretKeysVariable  = "WIDGETD_PREVIOUS_SECRET_KEYS"
	introspectionSecretVariable = "WIDGETD_INTROSPECTION_SECRET" //nolint:gosec // not a secret
	adminEmailVariable          = "WIDGETD_ADMIN_EMAIL"
	adminPasswordVariable       = "WIDGETD_ADMIN_PASSWORD" //nolint:gosec // not a password
)

// variableSettings returns the settings that have a variable but no flag: the field of
// [app.Config], the variable and its meaning. They have no flag because other users of the
// machine can see the flags of a running program.
func variableSettings() []variableSetting {
	return []variableSetting{
		{"SecretKey", secretKeyVariable, "Key that signs tokens, at least 32 bytes. If it is unset, the server generates a key in the data folder; " +
			"with MongoDB it or --signing-key must be set."},
		{"PreviousSecretKeys", previousSecretKeysVariable, "Secrets, separated by commas, that still verify tokens but no longer sign any. A file of them may be empty."},
		{"IntrospectionSecret", introspectionSecretVariable, "Secret of other services that check tokens, at least 32 bytes. If it is unset, the endpoint does not exist."},
		{"AdminEmail", adminEmailVariable, "Email of an administrator. The server creates or updates this account when it starts."},
		{"AdminPassword", adminPasswordVariable, "Password of that administrator."},
	}
}

type variableSetting struct{ field, variable, help string }

// settings are the flags that every command takes, so that they may stand before the
// command too. The tag "used" names the kind of commands that use a flag; a flag without
// it is for the server. A flag that sets a field of [app.Config] has the name of that
// field here.
type settings struct {
	Addr                    string        `name:"addr" used:"address" default:"${Addr}" env:"WIDGETD_ADDR" help:"Where to listen. Port 0 picks a free one, which is logged."`
	DataDir                 string        `name:"data" used:"store" default:"${DataDir}" env:"WIDGETD_DATA" help:"Folder of the embedded store and the generated key."`
	MongoDBURI              string        `name:"mongodb-uri" used:"store" placeholder:"URI" env:"WIDGETD_MONGODB_URI" help:"MongoDB that several servers share (mongodb://…), in place of the embedded store. The path names the database; without a path it is widgetd."`
	TokenTTL                time.Duration `name:"token-ttl" default:"${TokenTTL}" env:"WIDGETD_TOKEN_TTL" help:"Lifetime of a token."`
	CORSOrigins             []element     `name:"cors-origins" default:"${CORSOrigins}" env:"WIDGETD_CORS_ORIGINS" help:"Origins whose pages may call the API, like https://www.example.com, or * for all."`
	PasswordMinLength       int           `name:"password-min-length" used:"password" default:"${PasswordMinLength}" env:"WIDGETD_PASSWORD_MIN_LENGTH" help:"Minimum number of characters of a new password."`
	MaxLoginFailures        int           `name:"max-login-failures" default:"${MaxLoginFailures}" env:"WIDGETD_MAX_LOGIN_FAILURES" help:"Failed log-ins per client address and email in 15 minutes; 0 is off."`
	Registration            word          `name:"registration" default:"open" enum:"open,closed" env:"WIDGETD_REGISTRATION" help:"open: anybody may register. closed: only administrators and the operator add accounts."`
	MaxRegistrations        int           `name:"max-registrations" default:"${MaxRegistrations}" env:"WIDGETD_MAX_REGISTRATIONS" help:"Registrations per client address and hour; 0 is off."`
	TrustedProxies          []proxy       `name:"trusted-proxies" placeholder:"ADDR" env:"WIDGETD_TRUSTED_PROXIES" help:"Addresses or networks of proxies whose X-Forwarded-For is trusted."`
	BaseURL                 string        `name:"base-url" placeholder:"URL" env:"WIDGETD_BASE_URL" help:"URL at which clients reach the server, like https://example.com/path. It is the issuer (iss) of tokens and the server of the OpenAPI document, and its path begins every link."`
	TokenAudience           string        `name:"token-audience" placeholder:"TEXT" env:"WIDGETD_TOKEN_AUDIENCE" help:"The audience (aud) of tokens. A token with another one is refused; a token without one is accepted."`
	SigningKey              string        `name:"signing-key" placeholder:"FILE" env:"WIDGETD_SIGNING_KEY" help:"PEM file of the private key that signs tokens, in place of WIDGETD_SECRET_KEY: Ed25519, ECDSA on P-256, or RSA of 2048 bits or more. SIGHUP reads it and the previous keys again."`
	PreviousKeys            []element     `name:"previous-keys" placeholder:"FILE" env:"WIDGETD_PREVIOUS_KEYS" help:"PEM files of keys, private or public, that still verify tokens but no longer sign any."`
	TLSCert                 string        `name:"tls-cert" used:"address" placeholder:"FILE" env:"WIDGETD_TLS_CERT" help:"PEM file of the certificate chain, to serve HTTPS. SIGHUP reads it and the key again."`
	TLSKey                  string        `name:"tls-key" placeholder:"FILE" env:"WIDGETD_TLS_KEY" help:"PEM file of the certificate's key."`
	HSTS                    toggle        `name:"hsts" default:"${HSTS}" env:"WIDGETD_HSTS" help:"With TLS: tell browsers to use HTTPS for a year. on (the default) or off."`
	MaxConnections          int           `name:"max-connections" default:"${MaxConnections}" env:"WIDGETD_MAX_CONNECTIONS" help:"Connections open at once; 0 is as many as the limits of memory and descriptors allow, at most 10,000."`
	MaxConnectionsPerClient int           `name:"max-connections-per-client" default:"${MaxConnectionsPerClient}" env:"WIDGETD_MAX_CONNECTIONS_PER_CLIENT" help:"Of these, connections of one client network; 0 is a quarter."`
	IdleTimeout             time.Duration `name:"idle-timeout" default:"${IdleTimeout}" env:"WIDGETD_IDLE_TIMEOUT" help:"How long a connection may be idle between requests; set more than the load balancer's."`
	MetricsAddr             string        `name:"metrics-addr" placeholder:"ADDR" env:"WIDGETD_METRICS_ADDR" help:"Where to serve Prometheus /metrics and /debug/pprof/, for the operator only. Off by default; port 0 picks a free one, which is logged."`
	Audit                   toggle        `name:"audit" used:"log" default:"${Audit}" placeholder:"on" env:"WIDGETD_AUDIT" help:"Write a log line for every write and log-in: who did what. on (the default) or off."`
	LockMemory              toggle        `name:"lock-memory" default:"${LockMemory}" env:"WIDGETD_LOCK_MEMORY" help:"Keep the embedded store in memory, locked, so that no read waits for the disk: on or off (the default). Needs an unlimited limit on locked memory."`
	LogFormat               word          `name:"log-format" used:"log" default:"auto" enum:"auto,text,json" env:"WIDGETD_LOG_FORMAT" help:"text, json, or auto: text on a terminal, else json."`
	LogLevel                word          `name:"log-level" used:"log" default:"info" enum:"debug,info,warn,error" env:"WIDGETD_LOG_LEVEL" help:"debug, info, warn or error."`
}

// defaults gives the tags of [settings] the values of [app.DefaultConfig].
func defaults() kong.Vars {
	config := app.DefaultConfig()
	return kong.Vars{
		"Addr":                    config.Addr,
		"DataDir":                 config.DataDir,
		"TokenTTL":                shortDuration(config.TokenTTL),
		"CORSOrigins":             strings.Join(config.CORSOrigins, ","),
		"PasswordMinLength":       strconv.Itoa(config.PasswordMinLength),
		"MaxLoginFailures":        strconv.Itoa(config.MaxLoginFailures),
		"MaxRegistrations":        strconv.Itoa(config.MaxRegistrations),
		"LockMemory":              toggle(config.LockMemory).String(),
		"HSTS":                    toggle(config.HSTS).String(),
		"Audit":                   toggle(config.Audit).String(),
		"MaxConnections":          strconv.Itoa(config.MaxConnections),
		"MaxConnectionsPerClient": strconv.Itoa(config.MaxConnectionsPerClient),
		"IdleTimeout":             strconv.Itoa(int(config.IdleTimeout.Seconds())) + "s",
	}
}

// shortDuration is [time.Duration.String] without units that are zero at the end: 1h,
// not 1h0m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// settingName returns the flag and the variable that set a field of [app.Config]:
// "--addr (WIDGETD_ADDR)". Without a flag it returns the variable.
func settingName(field string) string {
	if field == "RegistrationClosed" {
		field = "Registration"
	}
	for _, setting := range variableSettings() {
		if setting.field == field {
			return withFile(setting.variable)
		}
	}
	flag, found := reflect.TypeFor[settings]().FieldByName(field)
	if !found {
		return field
	}
	return "--" + flag.Tag.Get("name") + " (" + flag.Tag.Get("env") + ")"
}

// withFile returns a variable, and the one that names the file with its value if that is
// set.
func withFile(variable string) string {
	if _, isSet := os.LookupEnv(variable + fileSuffix); isSet && slices.Contains(secretVariables(), variable) {
		return variable + " (from " + variable + fileSuffix + ")"
	}
	return variable
}

// config returns the settings as an [app.Config].
func (s *settings) config() app.Config {
	proxies := make([]netip.Prefix, len(s.TrustedProxies))
	for i, proxy := range s.TrustedProxies {
		proxies[i] = proxy.Prefix
	}
	return app.Config{
		Addr:                    s.Addr,
		DataDir:                 s.DataDir,
		MongoDBURI:              s.MongoDBURI,
		LockMemory:              bool(s.LockMemory),
		TokenTTL:                s.TokenTTL,
		BaseURL:                 s.BaseURL,
		TokenAudience:           s.TokenAudience,
		SecretKey:               os.Getenv(secretKeyVariable),
		PreviousSecretKeys:      splitSecrets(os.Getenv(previousSecretKeysVariable)),
		SigningKey:              s.SigningKey,
		PreviousKeys:            textsOf(s.PreviousKeys),
		IntrospectionSecret:     os.Getenv(introspectionSecretVariable),
		AdminEmail:              os.Getenv(adminEmailVariable),
		AdminPassword:           os.Getenv(adminPasswordVariable),
		CORSOrigins:             textsOf(s.CORSOrigins),
		PasswordMinLength:       s.PasswordMinLength,
		MaxLoginFailures:        s.MaxLoginFailures,
		RegistrationClosed:      s.Registration == "closed",
		MaxRegistrations:        s.MaxRegistrations,
		TrustedProxies:          proxies,
		TLSCert:                 s.TLSCert,
		TLSKey:                  s.TLSKey,
		HSTS:                    bool(s.HSTS),
		Audit:                   bool(s.Audit),
		MaxConnections:          s.MaxConnections,
		MaxConnectionsPerClient: s.MaxConnectionsPerClient,
		IdleTimeout:             s.IdleTimeout,
		MetricsAddr:             s.MetricsAddr,
	}
}

// word is a setting whose values are words. Capital letters stand for small ones.
type word string

// UnmarshalText converts the text to lower case.
func (w *word) UnmarshalText(text []byte) error { //nolint:unparam // encoding.TextUnmarshaler
	*w = word(strings.ToLower(string(text)))
	return nil
}

// splitSecrets splits a list of secrets. A space after a comma does not count; any other
// space is part of a secret.
func splitSecrets(text string) []string {
	if text == "" {
		return nil
	}
	secrets := strings.Split(text, ",")
	for i := range secrets[1:] {
		secrets[i+1] = strings.TrimLeft(secrets[i+1], " ")
	}
	return secrets
}

// element is an element of a list. There may be space around it.
type element string

// UnmarshalText removes the space around the text.
func (e *element) UnmarshalText(text []byte) error { //nolint:unparam // encoding.TextUnmarshaler
	*e = element(strings.TrimSpace(string(text)))
	return nil
}

func textsOf(list []element) (texts []string) {
	for _, e := range list {
		texts = append(texts, string(e))
	}
	return texts
}

// proxy is a network. A single address is the network that holds only that
// address.
type proxy struct{ netip.Prefix }

// UnmarshalText parses a network, as in 10.0.0.0/8, or an address, as in 10.0.0.1.
func (p *proxy) UnmarshalText(text []byte) error {
	value := strings.TrimSpace(string(text))
	addr, err := netip.ParseAddr(value)
	if err == nil && addr.Zone() != "" {
		return fmt.Errorf("%q has a zone, which the address of a client never has: write %s", value, addr.WithZone(""))
	}
	if err == nil {
		p.Prefix, err = addr.Prefix(addr.BitLen())
		return err
	}
	if p.Prefix, err = netip.ParsePrefix(value); err != nil {
		return fmt.Errorf("%q is neither an address nor a network", value)
	}
	return nil
}
