// Command ferretdb is a MongoDB server for tests and experiments. It runs FerretDB
// in one process, on SQLite or on a PostgreSQL server. It prints one line: the URI to
// connect to. It stops on SIGINT and SIGTERM.
//
// For widgetd it behaves like a single server that is not MongoDB. It does not fill in
// timestamps, for example. FerretDB's updates are not atomic; the proxy in proxy.go makes
// them atomic.
//
// With several addresses to listen on, it behaves like a replica set of MongoDB, whose
// members are these addresses. The set can fail in the ways in which a replica set fails.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// settings are the flags.
type settings struct {
	listen     string
	data       string
	postgreSQL string
	log        *slog.Logger
	orders     io.Reader // nil for none
}

func main() {
	var s settings
	flag.StringVar(&s.listen, "listen", "127.0.0.1:0", "`address` to listen on; with port 0, a random free port; several addresses, separated by commas, for a replica set")
	flag.StringVar(&s.data, "data", "", "`folder` for the data; if empty, a temporary folder that is deleted at the end")
	flag.StringVar(&s.postgreSQL, "postgresql", "", "`URL` of a PostgreSQL server for the data, in place of SQLite")
	stdin := flag.Bool("orders", false, "read orders for a replica set from standard input, and stop at its end, so that the program ends with its parent")
	verbose := flag.Bool("verbose", false, "write FerretDB's debug log to standard error")
	flag.Usage = func() {
		flag.PrintDefaults()
		fmt.Fprintf(flag.CommandLine.Output(), "\nThe orders:\n\n%s", orders)
	}
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if *stdin {
		s.orders = os.Stdin
	}
	level := slog.LevelError
	if *verbose {
		level = slog.LevelDebug
	}
	s.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err := s.run(ctx, stop); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. At the end of the orders it calls stop.
func (s settings) run(ctx context.Context, stop func()) (err error) {
	if s.data == "" {
		if s.data, err = os.MkdirTemp("", "ferretdb-"); err != nil {
			return err
		}
		defer os.RemoveAll(s.data)
	}
	db, err := ferretdb.New(s.config())
	if err != nil {
		return err
	}
	private, err := url.Parse(db.MongoDBURI())
	if err != nil {
		return err
	}
	listeners, err := listenOn(ctx, strings.Split(s.listen, ","))
	if err != nil {
		return err
	}
	var stopped sync.WaitGroup
	defer stopped.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	stopped.Go(func() { failed <- db.Run(ctx) })
	if err := s.serve(ctx, &engine{address: private.Host}, listeners, &stopped, stop); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

func (s settings) config() *ferretdb.Config {
	config := &ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: "file:" + filepath.ToSlash(s.data) + "/?_pragma=synchronous(normal)", // keeps acknowledged writes when the process is killed
		Logger:    s.log,
	}
	if s.postgreSQL != "" {
		config.Handler, config.PostgreSQLURL = "postgresql", s.postgreSQL
	}
	return config
}

// serve starts to serve and prints the URI: one listener is a single server, several are
// the members of a replica set.
func (s settings) serve(ctx context.Context, e *engine, listeners []net.Listener, stopped *sync.WaitGroup, stop func()) error {
	var addresses []string
	for _, ln := range listeners {
		addresses = append(addresses, ln.Addr().String())
	}
	retries, err := openRetries(e, filepath.Join(s.data, "retryable-writes"))
	if err != nil {
		return err
	}
	set := newReplicaSet(addresses, e, retries)
	for i, ln := range listeners {
		answer := set.member(i)
		if len(listeners) == 1 {
			answer = e.answer
		}
		stopped.Go(func() { proxy{e, answer}.serve(ctx, ln) })
	}
	fmt.Printf("mongodb://%s/\n", strings.Join(addresses, ","))
	if s.orders != nil {
		go func() {
			set.control(s.orders, os.Stdout)
			stop()
		}()
	}
	return nil
}

// listenOn listens on the addresses.
func listenOn(ctx context.Context, addresses []string) (listeners []net.Listener, err error) {
	for _, address := range addresses {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, ln)
	}
	return listeners, nil
}
