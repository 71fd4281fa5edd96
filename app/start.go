package app

import (
	"net"
	"path/filepath"

	"github.com/widgetd/widgetd/adapters/mongodb"
)

// reportStart logs what an operator must know about a server that starts.
func (a *App) reportStart() {
	registration := "open"
	if a.config.RegistrationClosed {
		registration = "closed"
	}
	attrs := append([]any{"version", Version()}, a.storeAttrs()...)
	a.adapters.log.Info("starting", append(attrs, "key", a.keyOrigin, "registration", registration)...)
	if a.newFolder != "" {
		a.adapters.log.Info("created a new, empty store", "folder", a.newFolder)
	}
}

// storeAttrs returns the attributes of the log that say where the store is, without
// passwords. A store that WithStore has set is not in the places that the config names.
func (a *App) storeAttrs() []any {
	if a.withStore {
		return []any{"store", "of the program"}
	}
	if a.config.MongoDBURI != "" {
		hosts, database, err := mongodb.Address(a.config.MongoDBURI)
		if err != nil { // only a look-up of the hosts of mongodb+srv can fail: the store is open
			return []any{"store", "MongoDB"}
		}
		return []any{"store", "MongoDB", "hosts", hosts, "database", database}
	}
	folder, err := filepath.Abs(a.config.DataDir)
	if err != nil {
		folder = a.config.DataDir
	}
	return []any{"store", "embedded", "folder", folder}
}

// reachable returns an address that a browser on this machine can open. A server that
// listens on all interfaces is reachable as localhost.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		_, port, _ := net.SplitHostPort(tcp.String()) // a TCPAddr always has a port
		return net.JoinHostPort("localhost", port)
	}
	return addr.String()
}
