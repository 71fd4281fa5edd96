package main_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/widgetd/widgetd/adapters/mongodb/mongotest"
	"github.com/widgetd/widgetd/domain"
)

// stores give the settings of servers that are to share an empty store, but for
// the data folder.
var stores = map[string]func(*testing.T) []string{
	"embedded": func(*testing.T) []string { return nil },
	"MongoDB":  func(t *testing.T) []string { return onMongoDB(mongotest.URI(t)) },
}

// fleets start the servers that are tested together, on an empty store.
var fleets = map[string]func(t *testing.T, settings ...string) []*server{
	"a server on the embedded store": func(t *testing.T, settings ...string) []*server {
		return []*server{start(t, folder(t), settings...)}
	},
	"two servers on MongoDB": func(t *testing.T, settings ...string) []*server {
		return startTwo(t, mongotest.URI(t), settings...)
	},
}

func onMongoDB(uri string) []string {
	return []string{"WIDGETD_MONGODB_URI=" + uri, "WIDGETD_SECRET_KEY=" + secretKey}
}

// startTwo starts two servers on a MongoDB, at once.
func startTwo(t *testing.T, uri string, settings ...string) []*server {
	t.Helper()
	settings = slices.Concat(onMongoDB(uri), settings)
	servers := []*server{launch(t, folder(t), settings...), launch(t, folder(t), settings...)}
	for _, s := range servers {
		s.awaitListening(t)
	}
	return servers
}

var (
	healthz = request{method: "GET", path: "/healthz"}
	readyz  = request{method: "GET", path: "/readyz"}
)

// awaitReady waits until the server is ready.
func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(patience); s.do(t, readyz).status != 200; {
		if time.Now().After(late) {
			t.Fatalf("the server is not ready:\n%s", s.log)
		}
	}
}

// TestServersOutliveTheirStore kills the store of two servers while clients
// write to both, again and again, and checks all that was ever acknowledged.
func TestServersOutliveTheirStore(t *testing.T) {
	t.Parallel()
	const clients, writes = 8, 100
	store := mongotest.Start(t)
	servers := startTwo(t, store.Database(t), append(asAdmin, "WIDGETD_MAX_REGISTRATIONS=0")...)
	figures := newFigures()
	figures.watch(servers...)
	defer figures.log(t)
	servers[0].register(t, userEmail, userPassword)
	mint := servers[0].minter(t)
	admin, loggedOut := mint(), mint()
	servers[0].do(t, post("/auth/logout", loggedOut, nil)).want(t, 200, "")
	var facts []*memory
	for round := range rounds(t, 2) {
		enough := newCountdown(writes)
		var busy sync.WaitGroup
		for i := range clients {
			client := &client{t: t, s: servers[i%2], token: admin, mint: mint, memory: newMemory(), acknowledged: enough, storeMayDie: true}
			facts = append(facts, client.memory)
			busy.Go(func() { client.work(fmt.Sprintf("r%d-c%d", round, i)) })
		}
		stop := make(chan struct{})
		var watching sync.WaitGroup
		for _, s := range servers {
			watching.Go(func() { s.watch(t, loggedOut, stop) })
		}
		enough.await(t)
		store.Kill(t)
		figures.faults++
		for _, s := range servers {
			s.wantNoStore(t, admin, &busy)
		}
		busy.Wait()

		store.Restart(t)
		for _, s := range servers {
			s.awaitReady(t)
			s.wantFacts(t, admin, facts, figures)
			s.logIn(t, userEmail, userPassword)
		}
		close(stop)
		watching.Wait()
	}
}

// TestServersOutliveOneOfThem kills one of two servers while clients write to
// both, again and again. The other goes on, and both know all that was ever
// acknowledged by either.
func TestServersOutliveOneOfThem(t *testing.T) {
	t.Parallel()
	const clients, writes = 8, 60
	uri := mongotest.URI(t)
	servers := startTwo(t, uri, append(asAdmin, "WIDGETD_MAX_REGISTRATIONS=0")...)
	figures := newFigures()
	figures.watch(servers...)
	defer figures.log(t)
	mint := servers[0].minter(t)
	admin := mint()
	var facts []*memory
	for round := range rounds(t, 2) {
		enough, more := newCountdown(writes), newCountdown(writes)
		mortal, survivor := servers[round%2], servers[1-round%2]
		var busy sync.WaitGroup
		for i := range clients {
			client := &client{t: t, s: servers[i%2], token: admin, mint: mint, memory: newMemory(), acknowledged: enough}
			if client.s == survivor {
				client.acknowledged, client.until = more, more.reached
			}
			client.memory.late = true
			facts = append(facts, client.memory)
			busy.Go(func() { client.work(fmt.Sprintf("r%d-c%d", round, i)) })
		}
		enough.await(t)
		mortal.kill()
		figures.faults++
		more.await(t)
		busy.Wait()
		survivor.wantFacts(t, admin, facts, figures)

		servers[round%2] = start(t, folder(t), onMongoDB(uri)...)
		figures.watch(servers[round%2])
		servers[round%2].wantFacts(t, admin, facts, figures)
	}
}

// watch uses a token that is logged out until told to stop. As long as the store
// cannot be asked nobody knows that it is, but nobody must take it for good.
func (s *server) watch(t *testing.T, loggedOut string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if res := s.do(t, get("/auth/user", loggedOut)); res.status != 503 {
			res.wantTokenRefused(t, tokenLoggedOut)
		}
	}
}

// wantNoStore starts to check what a server answers that has lost its store.
func (s *server) wantNoStore(t *testing.T, admin string, checking *sync.WaitGroup) {
	somebody := fields{"email": userEmail, "password": userPassword}
	for _, r := range []request{
		post("/auth/register", "", somebody.with("email", "late@example.com")),
		post("/auth/login", "", somebody),
		get("/auth/user", admin),
		post("/auth/logout", admin, nil),
		get("/widgets", admin),
		post("/widgets", admin, widgetFields().with("name", "late")),
		get("/widgets/late", admin),
		put("/widgets/late", admin, widgetFields()),
		del("/widgets/late", admin),
		readyz,
	} {
		checking.Go(func() { s.do(t, r).want(t, 503, message("Service Unavailable")) })
	}
	checking.Go(func() { s.do(t, healthz).want(t, 200, "") })
}

func TestAccountsAreAddedWhileServersRun(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	servers := startTwo(t, uri)
	for email, admin := range map[string]bool{userEmail: false, adminEmail: true} {
		settings, role := []string{"add-user", "WIDGETD_MONGODB_URI=" + uri, email}, "user"
		if admin {
			settings, role = append(settings, "--admin"), "administrator"
		}
		if got, want := run(t, "the password\n", settings...), (outcome{stdout: "added " + role + " " + email + "\n"}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		for _, s := range servers {
			token := s.logIn(t, email, "the password")
			if got := s.do(t, get("/auth/user", token)).json()["admin"]; got != admin {
				t.Errorf("%s has admin: %v", email, got)
			}
		}
		run(t, "the password\n", settings...).wantRefusal(t, email+" is already registered")
	}
}

func TestNoFileIsWrittenOnMongoDB(t *testing.T) {
	t.Parallel()
	data, uri := folder(t), mongotest.URI(t)
	s := start(t, data, slices.Concat(onMongoDB(uri), asAdmin)...)
	admin := s.logIn(t, adminEmail, adminPassword)
	s.do(t, put("/widgets/one", admin, widgetFields())).want(t, 201, "")
	s.do(t, post("/auth/logout", admin, nil)).want(t, 200, "")
	s.stop()
	for _, where := range [][]string{nil, {"--data", data}} {
		email := string(rune('a'+len(where))) + "@example.com"
		if got := run(t, "secret\n", append(where, "add-user", "--mongodb-uri", uri, email)...); got.code != 0 {
			t.Error(got)
		}
		run(t, "", append(where, "--addr=127.0.0.1:0", "--mongodb-uri", uri)...).wantRefusal(t, "WIDGETD_SECRET_KEY")
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the data folder: %v", err)
	}
	// All commands run in this folder, and none writes to it.
	files, err := os.ReadDir(filepath.Dir(binary))
	if err != nil || len(files) != 1 {
		t.Errorf("beside the program: %v, %v", files, err)
	}
}

func TestKeyIsNeededOnMongoDBBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"mongodb://ada:password@" + mongotest.Address(t), "nonsense"} {
		began := time.Now()
		got := run(t, "", "--addr=127.0.0.1:0", "--data", folder(t), "--mongodb-uri", uri)
		got.wantRefusal(t, "WIDGETD_SECRET_KEY", "MongoDB")
		if took := time.Since(began); took > 2*time.Second { // less than the store has to answer
			t.Errorf("it took %v", took)
		}
	}
}

func TestServerAwaitsItsStoreAtTheStart(t *testing.T) {
	t.Parallel()
	store := mongotest.Start(t)
	uri := store.Database(t)
	store.Kill(t)
	s := launch(t, folder(t), onMongoDB(uri+"?timeoutMS=300")...)
	record, ok := s.log.await("msg", "the store does not answer yet", s.exited)
	if at, _ := url.Parse(uri); !ok || !strings.Contains(record["error"].(string), at.Host) {
		t.Errorf("the log does not say that the store at %s is awaited:\n%s", at.Host, s.log)
	}
	if lines := s.log.lines(); len(lines) != 1 {
		t.Errorf("more than one line:\n%s", s.log)
	}
	store.Restart(t)
	s.awaitListening(t)
	s.register(t, userEmail, userPassword)
}

func TestServerThatAwaitsItsStoreCanBeStopped(t *testing.T) {
	t.Parallel()
	s := launch(t, folder(t), onMongoDB("mongodb://ada:password@"+mongotest.Address(t)+"/?timeoutMS=300")...)
	if _, ok := s.log.await("msg", "the store does not answer yet", s.exited); !ok {
		t.Fatalf("the log does not say that the store is awaited:\n%s", s.log)
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestCredentialsThatAreRefusedAreNotTriedAgain(t *testing.T) {
	t.Parallel()
	_, host, _ := strings.Cut(mongotest.Start(t).Database(t), "://")
	uri := "mongodb://ada:s3cr3t@" + host
	for _, settings := range [][]string{{"--addr=127.0.0.1:0"}, {"add-user", userEmail}} {
		got := run(t, "x\n", slices.Concat(settings, onMongoDB(uri))...)
		got.wantRefusal(t, "--mongodb-uri", "credentials")
		if strings.Contains(got.stderr, "s3cr3t") {
			t.Errorf("the password is shown: %s", got.stderr)
		}
	}
}

// collection returns a collection of the database that the URI names.
func collection(t *testing.T, uri, name string) *mongo.Collection {
	t.Helper()
	at, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(strings.TrimPrefix(at.Path, "/")).Collection(name)
}

// kept is the document that a condition finds, and can be changed by a test.
type kept struct {
	t         *testing.T
	in        *mongo.Collection
	condition bson.D
}

func (d kept) read() bson.Raw {
	d.t.Helper()
	raw, err := d.in.FindOne(d.t.Context(), d.condition).Raw()
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// spoil gives a field another value, or takes it away when that is nil.
func (d kept) spoil(field string, value any) {
	d.t.Helper()
	change := bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: value}}}}
	if value == nil {
		change[0] = bson.E{Key: "$unset", Value: bson.D{{Key: field, Value: ""}}}
	}
	if _, err := d.in.UpdateOne(d.t.Context(), d.condition, change); err != nil {
		d.t.Fatal(err)
	}
}

// wantFault checks that a request meets a document it can make nothing of: the
// log says where and what, the response does not, and the document stays.
func (s *server) wantFault(r request, odd kept, says string) {
	odd.t.Helper()
	before := odd.read()
	r.fault = true
	res := s.do(odd.t, r)
	res.want(odd.t, 500, message("Internal Server Error"))
	record, _ := s.log.await("id", res.header.Get("X-Request-Id"), s.exited)
	if cause, _ := record["error"].(string); !strings.Contains(cause, says) {
		odd.t.Errorf("%s %s: the log does not say %q: %v", r.method, r.path, says, record)
	}
	if after := odd.read(); !slices.Equal(after, before) {
		odd.t.Errorf("%s %s made %v of %v", r.method, r.path, after, before)
	}
}

// fieldsWrittenByOthers are what another program makes of a field, nil for
// leaving it out, and what is to be said of it.
var fieldsWrittenByOthers = map[string]map[string]struct {
	value any
	says  string
}{
	"widgets": {
		"info_url":    {nil, "is missing"},
		"deadline":    {"2999-12-31", "is not a date"},
		"created_at":  {bson.Null{}, "is not a date"},
		"owner.email": {7, "is not an email"},
	},
	"users": {
		"password_hash": {nil, "is missing"},
		"admin":         {"true", "is not a boolean"},
		"email":         {"somebody-else@example.com", "email"},
	},
}

func TestWidgetWrittenByAnotherProgramIsNeitherMadeUpNorOverwritten(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	s := start(t, folder(t), slices.Concat(onMongoDB(uri), asAdmin)...)
	admin := s.logIn(t, adminEmail, adminPassword)
	s.do(t, put("/widgets/good", admin, widgetFields())).want(t, 201, "")
	odd := kept{t, collection(t, uri, "widgets"), bson.D{{Key: "name", Value: "odd"}}}
	for field, change := range fieldsWrittenByOthers["widgets"] {
		s.do(t, put("/widgets/odd", admin, widgetFields())).want(t, 201, "")
		odd.spoil(field, change.value)
		says := "collection widgets, _id " + id(odd.read()) + ": the field " + field + " " + change.says
		s.wantFault(get("/widgets/odd", admin), odd, says)
		s.wantFault(get("/widgets", admin), odd, says)
		s.wantFault(put("/widgets/odd", admin, widgetFields()), odd, says)
		s.do(t, get("/widgets/good", admin)).want(t, 200, "")
		s.do(t, get("/widgets?page=2", admin)).want(t, 200, "")
		s.do(t, readyz).want(t, 200, "")
		// Whoever wants it gone can have that.
		s.do(t, del("/widgets/odd", admin)).want(t, 204, "")
		if names := s.names(t, admin); !slices.Equal(names, []string{"good"}) {
			t.Errorf("widgets %q", names)
		}
	}
}

func TestAccountWrittenByAnotherProgramIsNobodys(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	s := start(t, folder(t), onMongoDB(uri)...)
	other := s.register(t, userEmail, userPassword)
	for i, field := range slices.Sorted(maps.Keys(fieldsWrittenByOthers["users"])) {
		change := fieldsWrittenByOthers["users"][field]
		account := fields{"email": string(rune('a'+i)) + "@example.com", "password": userPassword}
		token := s.register(t, account["email"], account["password"])
		odd := kept{t, collection(t, uri, "users"), bson.D{{Key: "email_key", Value: account["email"]}}}
		odd.spoil(field, change.value)
		says := "collection users, _id " + id(odd.read()) + ": the field " + field
		s.wantFault(post("/auth/login", "", account), odd, says)
		s.wantFault(get("/auth/user", token), odd, change.says)
		s.do(t, post("/auth/register", "", account)).want(t, 409, "")
		s.do(t, get("/auth/user", other)).want(t, 200, "")
	}
}

// id returns the UUID of a document.
func id(doc bson.Raw) string {
	_, data := doc.Lookup("_id").Binary()
	return domain.UUID(data).String()
}
