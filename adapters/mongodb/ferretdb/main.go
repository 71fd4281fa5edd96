// Command ferretdb is a MongoDB server for tests and for trying things: FerretDB
// on SQLite, in one process, with its data in one folder. Its first and only
// line of output is the URI to reach it by. It stops on SIGINT and SIGTERM.
//
// It stands in for a single MongoDB server as far as widgetd can tell. What
// FerretDB does not do by itself is done in turns.go.
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
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to listen on; port 0 picks one")
	data := flag.String("data", "", "`folder` of the data; one that exists no longer than the program if empty")
	untilEOF := flag.Bool("until-eof", false, "stop when standard input ends, so as not to outlive the parent at its other end")
	verbose := flag.Bool("verbose", false, "log what FerretDB does to standard error")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if *untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	level := slog.LevelError
	if *verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err := run(ctx, *listen, *data, log); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen, data string, log *slog.Logger) (err error) {
	if data == "" {
		if data, err = os.MkdirTemp("", "ferretdb-"); err != nil {
			return err
		}
		defer os.RemoveAll(data)
	}
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: "file:" + filepath.ToSlash(data) + "/?_pragma=synchronous(normal)", // kept when the program is killed
		Logger:    log,
	})
	if err != nil {
		return err
	}
	public, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	private, err := url.Parse(db.MongoDBURI())
	if err != nil {
		return err
	}
	var stopped sync.WaitGroup
	defer stopped.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	stopped.Go(func() { failed <- db.Run(ctx) })
	stopped.Go(func() { (&turns{server: private.Host}).serve(ctx, public) })
	fmt.Printf("mongodb://%s/\n", public.Addr())
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
