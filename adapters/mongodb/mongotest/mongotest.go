// Package mongotest gives tests a MongoDB server: the program of the module in
// the folder ferretdb, or the server that the environment's MONGODB_URI names.
//
// The program is built when a test first asks for a server, by the go command
// and into its cache, so a test needs nothing installed but Go.
package mongotest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// variable of the environment names a server to test with.
const variable = "MONGODB_URI"

// URI returns the URI of an empty database that is gone when the test ends.
func URI(t testing.TB) string {
	t.Helper()
	return New(t).Database(t)
}

// Server is a MongoDB server that runs for as long as a test.
type Server struct {
	uri     string
	given   bool // by the environment
	folder  string
	process *exec.Cmd
	stdin   io.Closer // the program stops when it ends
	stderr  bytes.Buffer
}

// New returns the server that MONGODB_URI names, else one that it starts.
func New(t testing.TB) *Server {
	t.Helper()
	if uri := os.Getenv(variable); uri != "" {
		return &Server{uri: uri, given: true}
	}
	return Start(t)
}

// Start starts a server of the test's own, which may be killed: on a free port,
// with its data in a temporary folder. It stops when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{folder: t.TempDir()}
	s.start(t, Address(t))
	t.Cleanup(func() { s.kill() })
	return s
}

// Database returns the URI of an empty database on the server, which is gone
// when the test ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "widgetd_test_" + strings.ToLower(rand.Text()[:12])
	uri := withDatabase(s.uri, name)
	if s.given {
		t.Cleanup(func() { drop(t, uri, name) })
	}
	return uri
}

// Kill ends the server at once, as a crash would, and waits for that. Its
// address refuses connections then.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.given {
		t.Fatalf("the server of %s is not the test's to kill", variable)
	}
	s.kill()
}

// Restart starts a killed server again, at the same address and with its data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.start(t, strings.Trim(strings.TrimPrefix(s.uri, "mongodb://"), "/"))
}

// Address returns an address of this machine at which nothing listens. It has a
// random port, of those that no system gives to who asks for any: while a test
// has its server killed, nobody gets the server's port by chance.
func Address(t testing.TB) string {
	t.Helper()
	const first, last = 20_000, 32_767
	var listener net.ListenConfig
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", first+mathrand.IntN(last-first+1)) //nolint:gosec // a port is no secret
		if ln, err := listener.Listen(t.Context(), "tcp", address); err == nil {
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (s *Server) start(t testing.TB, address string) {
	t.Helper()
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s.process = exec.CommandContext(context.WithoutCancel(t.Context()), program, "-until-eof", "-listen", address, "-data", s.folder)
	s.process.Stderr = &s.stderr
	s.stdin, err = s.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	uri, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		s.kill()
		t.Fatalf("the server did not start: %v\n%s", err, &s.stderr)
	}
	s.uri = strings.TrimSpace(uri)
}

func (s *Server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	_ = s.stdin.Close()
}

// program returns the path of the server's program, once it is built.
var program = sync.OnceValues(func() (string, error) {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	build := exec.Command("go", "tool", "-n", "ferretdb") // builds it and prints where it is
	build.Dir = filepath.Join(filepath.Dir(string(module)), "adapters", "mongodb", "ferretdb")
	build.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	build.Stderr = &stderr
	path, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("go tool -n ferretdb, in %s: %w\n%s", build.Dir, err, &stderr)
	}
	return strings.TrimSpace(string(path)), nil
})

// withDatabase returns the URI with another database in its path. Credentials
// stay those of the database they were of.
func withDatabase(uri, name string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") && !strings.Contains(strings.ToLower(query), "authsource=") {
		if path == "" {
			path = "admin"
		}
		query = strings.TrimPrefix(query+"&authSource="+path, "&")
	}
	if query != "" {
		query = "?" + query
	}
	return scheme + "://" + authority + "/" + name + query
}

func drop(t testing.TB, uri, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Errorf("dropping the database %s: %v", name, err)
		return
	}
	if err := client.Database(name).Drop(ctx); err != nil {
		t.Errorf("dropping the database %s: %v", name, err)
	}
	if err := client.Disconnect(ctx); err != nil {
		t.Error(err)
	}
}
