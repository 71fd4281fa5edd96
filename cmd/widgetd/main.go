// Command widgetd serves the Widget API. Run it with --help to see its commands
// and settings.
package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/widgetd/widgetd/app"
)

// settings are the flags and variables that every command takes.
type settings struct {
	Addr              string        `default:"127.0.0.1:8080" env:"WIDGETD_ADDR" help:"Where to listen. Port 0 picks a free one, which is logged."`
	Data              string        `default:"widgetd-data" env:"WIDGETD_DATA" help:"Folder of the embedded store and the generated key."`
	MongoDBURI        string        `name:"mongodb-uri" placeholder:"URI" env:"WIDGETD_MONGODB_URI" help:"The MongoDB that servers share (mongodb://…), in place of the embedded store. Its database is that of the path, else widgetd."`
	TokenTTL          time.Duration `name:"token-ttl" default:"1h" env:"WIDGETD_TOKEN_TTL" help:"How long a token lives."`
	CORSOrigins       []string      `name:"cors-origins" default:"*" env:"WIDGETD_CORS_ORIGINS" help:"Origins whose pages may call the API, or * for all."`
	PasswordMinLength int           `default:"1" env:"WIDGETD_PASSWORD_MIN_LENGTH" help:"How many characters a new password must have."`
	MaxLoginFailures  int           `default:"10" env:"WIDGETD_MAX_LOGIN_FAILURES" help:"Failed log-ins per client address and email in 15 minutes; 0 is off."`
	MaxRegistrations  int           `default:"100" env:"WIDGETD_MAX_REGISTRATIONS" help:"Registrations per client address and hour; 0 is off."`
	TrustedProxies    []proxy       `placeholder:"ADDR" env:"WIDGETD_TRUSTED_PROXIES" help:"Addresses or networks whose X-Forwarded-For is believed."`
	TLSCert           string        `name:"tls-cert" placeholder:"FILE" env:"WIDGETD_TLS_CERT" help:"Certificate chain to serve HTTPS with, PEM. It and the key are read again on SIGHUP."`
	TLSKey            string        `name:"tls-key" placeholder:"FILE" env:"WIDGETD_TLS_KEY" help:"The certificate's key, PEM."`
	MetricsAddr       string        `placeholder:"ADDR" env:"WIDGETD_METRICS_ADDR" help:"Where to serve Prometheus /metrics and /debug/pprof/, for the operator only. Off by default; port 0 picks a free one, which is logged."`
	LogFormat         string        `default:"auto" enum:"auto,text,json" env:"WIDGETD_LOG_FORMAT" help:"text, json, or auto: text on a terminal, else json."`
	LogLevel          string        `default:"info" enum:"debug,info,warn,error" env:"WIDGETD_LOG_LEVEL" help:"debug, info, warn or error."`
}

// description is where --help tells of the settings that have no flag, because
// other people can see the flags of a running program.
const description = `The Widget API, secured by JSON Web Tokens.

Set by environment variable only: WIDGETD_SECRET_KEY, what tokens are signed with, at least 32 bytes
(when unset, generated once into the data folder; with MongoDB it must be set); WIDGETD_ADMIN_EMAIL and WIDGETD_ADMIN_PASSWORD, an
administrator who exists once the server is up.`

type cli struct {
	settings

	Serve       serveCommand       `cmd:"" default:"1" help:"Run the server (the default)."`
	AddUser     addUserCommand     `cmd:"" help:"Add an account. The password is asked for, or one line of standard input."`
	OpenAPI     openAPICommand     `cmd:"" name:"openapi" help:"Print the OpenAPI document of the HTTP API, as JSON."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
	Healthcheck healthcheckCommand `cmd:"" help:"Exit with 0 when a server on --addr is ready."`
}

// streams are the program's standard streams.
type streams struct {
	in  *os.File
	out io.Writer
	err *os.File
}

func main() {
	unsetEmpty()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// unsetEmpty lets a variable that is set to nothing, as deployment tools often
// leave one, mean the same as one that is not set.
func unsetEmpty() {
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); value == "" && strings.HasPrefix(name, "WIDGETD_") {
			_ = os.Unsetenv(name) // fails only for an impossible name
		}
	}
}

// run is the program. It returns its exit code.
func run(ctx context.Context, args []string, std streams) int {
	var flags cli
	parser, err := kong.New(&flags,
		kong.Name("widgetd"),
		kong.Description(description),
		kong.Writers(std.out, std.err),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std, &flags.settings),
	)
	if err != nil {
		panic(err) // the tags above are wrong
	}
	command, err := parser.Parse(args)
	if err == nil {
		err = command.Run()
	}
	if err != nil {
		// One line, also where an error quotes what it was given or is several.
		fmt.Fprintf(std.err, "widgetd: %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
		return 1
	}
	return 0
}

// config returns the settings as the app takes them.
func (s *settings) config() app.Config {
	proxies := make([]netip.Prefix, len(s.TrustedProxies))
	for i, proxy := range s.TrustedProxies {
		proxies[i] = proxy.Prefix
	}
	return app.Config{
		Addr:              s.Addr,
		DataDir:           s.Data,
		MongoDBURI:        s.MongoDBURI,
		TokenTTL:          s.TokenTTL,
		SecretKey:         os.Getenv("WIDGETD_SECRET_KEY"),
		AdminEmail:        os.Getenv("WIDGETD_ADMIN_EMAIL"),
		AdminPassword:     os.Getenv("WIDGETD_ADMIN_PASSWORD"),
		CORSOrigins:       s.CORSOrigins,
		PasswordMinLength: s.PasswordMinLength,
		MaxLoginFailures:  s.MaxLoginFailures,
		MaxRegistrations:  s.MaxRegistrations,
		TrustedProxies:    proxies,
		TLSCert:           s.TLSCert,
		TLSKey:            s.TLSKey,
		MetricsAddr:       s.MetricsAddr,
	}
}

// proxy is a network, or an address as the network of only that one.
type proxy struct{ netip.Prefix }

// UnmarshalText reads 10.0.0.0/8 as well as 10.0.0.1.
func (p *proxy) UnmarshalText(text []byte) error {
	addr, err := netip.ParseAddr(string(text))
	if err == nil {
		p.Prefix, err = addr.Prefix(addr.BitLen())
		return err
	}
	if p.Prefix, err = netip.ParsePrefix(string(text)); err != nil {
		return fmt.Errorf("%q is neither an address nor a network", text)
	}
	return nil
}
