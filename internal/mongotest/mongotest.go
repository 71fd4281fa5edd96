// Package mongotest starts MongoDB servers for tests. A server is a stand-in for a
// replica set of three members, which the program in the folder
// adapters/mongodb/ferretdb runs, or the server that the environment variable
// MONGODB_URI names. The program keeps its data in SQLite, or in the PostgreSQL
// that FERRETDB_POSTGRES_URL names.
//
// The go command builds the program when a test first needs it, so tests need no
// program but Go.
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
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// The environment variables of the tests.
const (
	variable           = "MONGODB_URI"
	postgreSQLVariable = "FERRETDB_POSTGRES_URL"
	chaosVariable      = "FERRETDB_CHAOS"
)

// URI returns the URI of an empty database. It is on the server that MONGODB_URI names, and
// deleted when the test ends. If the variable is empty, it is on a replica set that all tests
// of the package share, and deleted when the last of them has ended.
func URI(t testing.TB) string {
	t.Helper()
	if os.Getenv(variable) != "" {
		return New(t).Database(t)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		server := &Server{flags: []string{"-orders"}}
		server.start(t, freeAddresses(t, 3))
		shared.server = server
	}
	return shared.server.Database(t)
}

// shared is a replica set for all tests. The first one that needs it starts it. It ends with
// this program, as it reads the end of its orders then, and it removes its data.
var shared struct {
	mu     sync.Mutex
	server *Server
}

// Server is a MongoDB server, or a replica set, for one test.
type Server struct {
	uri      string
	external bool     // named by MONGODB_URI
	outlives bool     // its data outlives the test
	flags    []string // of the program
	process  *exec.Cmd
	stdin    io.WriteCloser // closing it stops the program
	stdout   *bufio.Reader
	stderr   bytes.Buffer
	orders   sync.Mutex // held while an order is given
	chaos    bool       // Chaos was called, and Calm was not called since
}

// New returns the server that MONGODB_URI names. If the variable is empty, New
// starts a replica set as [Start] does.
func New(t testing.TB) *Server {
	t.Helper()
	if uri := os.Getenv(variable); uri != "" {
		return &Server{uri: uri, external: true, outlives: true}
	}
	return Start(t)
}

// Start starts a replica set of three members on free ports of this machine, which the
// test may kill. It is a FerretDB that behaves like MongoDB: see [Server.Elect] and
// [Server.Fail]. The set and its data are removed when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	return launch(t, 3)
}

// StartOnPostgreSQL is [Start] with the data in PostgreSQL. It skips the test if
// FERRETDB_POSTGRES_URL is empty.
func StartOnPostgreSQL(t testing.TB) *Server {
	t.Helper()
	url := os.Getenv(postgreSQLVariable)
	if url == "" {
		t.Skipf("$%s does not name a PostgreSQL server", postgreSQLVariable)
	}
	s := launch(t, 3, "-postgresql", url)
	s.outlives = true
	return s
}

// StartSingle starts a FerretDB without the stand-in for a replica set: a single server,
// which does not fill in timestamps and does not repeat the answers to retryable writes.
func StartSingle(t testing.TB) *Server {
	t.Helper()
	return launch(t, 1)
}

func launch(t testing.TB, members int, flags ...string) *Server {
	t.Helper()
	s := &Server{flags: append(flags, "-orders", "-data", t.TempDir())}
	s.start(t, freeAddresses(t, members))
	t.Cleanup(func() { s.kill() })
	return s
}

// freeAddresses returns n addresses of this machine, separated by commas, at which no server
// listens. Each call returns other ports, so that a killed server finds its ports free when
// the test starts it again. They are below the range from which operating systems assign
// ports.
func freeAddresses(t testing.TB, n int) string {
	t.Helper()
	var free []string
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", lowestPort+(firstPort+portsTried.Add(1))%ports)
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		_ = ln.Close()
		if free = append(free, address); len(free) == n {
			return strings.Join(free, ",")
		}
	}
	t.Fatalf("only %d of the %d ports from %d are free", len(free), ports, lowestPort)
	return ""
}

// The ports that freeAddresses returns.
const (
	lowestPort = 20_000
	ports      = 12_768 // the number of them
)

// firstPort is random, because the tests of other packages may run at the same time.
var firstPort = mathrand.Uint32N(ports) //nolint:gosec // a port is not a secret

var portsTried atomic.Uint32

// Database returns the URI of an empty database on the server, which is deleted
// when the test ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "widgetd_test_" + strings.ToLower(rand.Text()[:12])
	uri := withDatabase(s.uri, name)
	if s.outlives {
		t.Cleanup(func() { drop(t, uri, name) })
	}
	return uri
}

// Kill kills the server, or all members of the replica set, as a crash would, and waits
// for the end. Connections to the addresses are then refused.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.external {
		t.Fatalf("a test must not kill the server that %s names", variable)
	}
	s.kill()
}

// Restart starts a killed server again, with the same addresses and data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.start(t, s.addresses())
}

// addresses returns the addresses of the members, separated by commas.
func (s *Server) addresses() string {
	return strings.Trim(strings.TrimPrefix(s.uri, "mongodb://"), "/")
}

func (s *Server) start(t testing.TB, addresses string) {
	t.Helper()
	program, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s.process = exec.CommandContext(context.WithoutCancel(t.Context()), program, append(s.flags, "-listen", addresses)...)
	s.process.Env = append(os.Environ(), "GOGC=400") // a third less CPU time, for some more memory
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
	s.stdout = bufio.NewReader(stdout)
	uri, err := s.stdout.ReadString('\n')
	if err != nil {
		s.kill()
		t.Fatalf("the server did not start: %v\n%s", err, &s.stderr)
	}
	s.uri = strings.TrimSpace(uri)
	if s.chaos {
		s.Chaos(t)
	}
}

func (s *Server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	_ = s.stdin.Close()
}

// program builds the server's program, once, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	build := exec.Command("go", "tool", "-n", "ferretdb") // builds the program and prints its path
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

// withDatabase returns the URI with another database in its path. It keeps the
// database of the credentials (authSource).
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

// drop deletes the database.
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
