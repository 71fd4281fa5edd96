package main_test

import (
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

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
)

// stores returns the settings, except for the data folder, of a server on an empty
// store.
var stores = map[string]func(*testing.T) []string{
	"embedded": func(*testing.T) []string { return nil },
	"MongoDB":  func(t *testing.T) []string { return onMongoDB(mongotest.URI(t)) },
}

// fleets start the servers of a test on an empty store.
var fleets = map[string]func(t *testing.T, settings ...string) []*server{
	"a server on the embedded store": func(t *testing.T, settings ...string) []*server {
		return []*server{start(t, folder(t), settings...)}
	},
	"two servers on MongoDB": func(t *testing.T, settings ...string) []*server {
		return startTwo(t, mongotest.URI(t), settings...)
	},
}

// unusedAddress is an address at which nothing listens.
const unusedAddress = "127.0.0.1:1"

func onMongoDB(uri string) []string {
	return []string{"WIDGETD_MONGODB_URI=" + uri, "WIDGETD_SECRET_KEY=" + secretKey}
}

// startTwo starts two servers on a MongoDB at the same time.
func startTwo(t *testing.T, uri string, settings ...string) []*server {
	t.Helper()
	settings = slices.Concat(onMongoDB(uri), settings)
	servers := []*server{launch(t, folder(t), settings...), launch(t, folder(t), settings...)}
	for _, s := range servers {
		s.awaitListening(t)
	}
	return servers
}

// awaitReady waits until the server is ready.
func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(patience); s.do(t, readyz).status != 200; {
		if time.Now().After(late) {
			t.Fatalf("the server is not ready:\n%s", s.log)
		}
	}
}

// TestServersOutliveTheirStore kills the store of two servers in each round while
// clients write to both. After the restart of the store it checks everything that
// was acknowledged in any round.
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
		store.Chaos(t)
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
		store.Calm(t)
		for _, s := range servers {
			s.awaitReady(t)
			s.wantFacts(t, admin, facts, figures)
			s.logIn(t, userEmail, userPassword)
		}
		close(stop)
		watching.Wait()
	}
}

// TestServersOutliveOneOfThem kills one of two servers in each round while clients
// write to both. The other one goes on. Both servers then have everything that
// either acknowledged.
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

// watch uses a logged-out token until stop is closed. The server must refuse the
// token, or answer with 503 while the store does not answer.
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

// wantNoStore starts requests to a server whose store does not answer, and checks
// the responses.
func (s *server) wantNoStore(t *testing.T, admin string, checking *sync.WaitGroup) {
	account := fields{"email": userEmail, "password": userPassword}
	for _, r := range []request{
		post("/auth/register", "", account.with("email", "late@example.com")),
		post("/auth/login", "", account),
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
		run(t, "the password\n", settings...).wantDone(t, "added "+role+" "+email+"\n")
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
	// This is the working folder of all commands. None may write to it.
	files, err := os.ReadDir(filepath.Dir(binary))
	if err != nil || len(files) != 1 {
		t.Errorf("beside the program: %v, %v", files, err)
	}
}

func TestMissingKeyIsReportedBeforeMongoDBIsReached(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"mongodb://ada:password@" + unusedAddress, "mongodb+srv://ada:password@nowhere.invalid"} {
		began := time.Now()
		got := run(t, "", "--addr=127.0.0.1:0", "--data", folder(t), "--mongodb-uri", uri)
		got.wantRefusal(t, "WIDGETD_SECRET_KEY", "MongoDB")
		if took := time.Since(began); took > 2*time.Second { // less than the timeout of the store
			t.Errorf("the program exited after %v", took)
		}
	}
}

func TestServerWaitsForItsStoreAtTheStart(t *testing.T) {
	t.Parallel()
	store := mongotest.Start(t)
	uri := store.Database(t)
	store.Kill(t)
	s := launch(t, folder(t), onMongoDB(uri+"?timeoutMS=300")...)
	record, ok := s.log.await("msg", "the store does not answer yet", s.exited)
	if at, _ := url.Parse(uri); !ok || !strings.Contains(record["error"].(string), at.Host) {
		t.Errorf("the log does not report that the store at %s does not answer:\n%s", at.Host, s.log)
	}
	if lines := s.log.lines(); len(lines) != 1 {
		t.Errorf("more than one line:\n%s", s.log)
	}
	store.Restart(t)
	s.awaitListening(t)
	s.register(t, userEmail, userPassword)
}

func TestServerThatWaitsForItsStoreCanBeStopped(t *testing.T) {
	t.Parallel()
	s := launch(t, folder(t), onMongoDB("mongodb://ada:password@"+unusedAddress+"/?timeoutMS=300")...)
	if _, ok := s.log.await("msg", "the store does not answer yet", s.exited); !ok {
		t.Fatalf("the log does not report that the store does not answer:\n%s", s.log)
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the server exited after %v", took)
	}
}

func TestRefusedCredentialsAreNotTriedAgain(t *testing.T) {
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

// storedDocument is the document that a condition finds. A test can change it.
type storedDocument struct {
	t         *testing.T
	in        *mongo.Collection
	condition bson.D
}

func (d storedDocument) read() bson.Raw {
	d.t.Helper()
	raw, err := d.in.FindOne(d.t.Context(), d.condition).Raw()
	if err != nil {
		d.t.Fatal(err)
	}
	return raw
}

// set gives a field another value, or removes the field if the value is nil.
func (d storedDocument) set(field string, value any) {
	d.t.Helper()
	change := bson.D{{Key: "$set", Value: bson.D{{Key: field, Value: value}}}}
	if value == nil {
		change[0] = bson.E{Key: "$unset", Value: bson.D{{Key: field, Value: ""}}}
	}
	if _, err := d.in.UpdateOne(d.t.Context(), d.condition, change); err != nil {
		d.t.Fatal(err)
	}
}

// wantFault checks that a request fails because the document cannot be read: the
// log contains the reason, the response does not, and the document is unchanged.
func (s *server) wantFault(r request, doc storedDocument, reason string) {
	doc.t.Helper()
	before := doc.read()
	r.fault = true
	res := s.do(doc.t, r)
	res.want(doc.t, 500, message("Internal Server Error"))
	id := res.header.Get("X-Request-Id")
	_, logged := s.log.awaitRecord(s.exited, func(record map[string]any) bool {
		cause, _ := record["error"].(string)
		return record["id"] == id && strings.Contains(cause, reason)
	})
	if !logged {
		doc.t.Errorf("%s %s: the log of the request %s does not contain %q:\n%s", r.method, r.path, id, reason, s.log)
	}
	if after := doc.read(); !slices.Equal(after, before) {
		doc.t.Errorf("%s %s changed the document %v to %v", r.method, r.path, before, after)
	}
}

// unreadableFields are changes by another program that make a document unreadable:
// the value of a field, or nil if it is removed, and the reason in the log.
var unreadableFields = map[string]map[string]struct {
	value  any
	reason string
}{
	"widgets": {
		"info_url":    {nil, "is missing"},
		"deadline":    {"2999-12-31", "is not a date"},
		"created_at":  {bson.Null{}, "is not a date"},
		"owner.email": {7, "is not a string"},
	},
	"users": {
		"password_hash": {nil, "is missing"},
		"admin":         {"true", "is not a boolean"},
		"email":         {"somebody-else@example.com", "is not the key of the field email"},
	},
}

func TestUnreadableWidgetIsLeftOutOfPagesAndNotOverwritten(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	s := start(t, folder(t), slices.Concat(onMongoDB(uri), asAdmin, []string{"--metrics-addr=127.0.0.1:0"})...)
	admin := s.logIn(t, adminEmail, adminPassword)
	s.do(t, put("/widgets/good", admin, widgetFields())).want(t, 201, "")
	odd := storedDocument{t, databaseOf(t, uri).Collection("widgets"), bson.D{{Key: "name", Value: "odd"}}}
	for field, change := range unreadableFields["widgets"] {
		s.do(t, put("/widgets/odd", admin, widgetFields())).want(t, 201, "")
		odd.set(field, change.value)
		reason := "collection widgets, _id " + id(odd.read()) + ": the field " + field + " " + change.reason
		s.wantFault(get("/widgets/odd", admin), odd, reason)
		s.wantFault(put("/widgets/odd", admin, widgetFields()), odd, reason)
		s.do(t, get("/widgets/good", admin)).want(t, 200, "")
		s.do(t, readyz).want(t, 200, "")
		s.wantLeftOut(t, admin, reason)
		// A widget that cannot be read can be deleted.
		s.do(t, del("/widgets/odd", admin)).want(t, 204, "")
		if names := s.names(t, admin); !slices.Equal(names, []string{"good"}) {
			t.Errorf("widgets %q", names)
		}
	}
}

// wantLeftOut checks that a page has only the readable one of two widgets, and that
// the other is counted and logged with the reason.
func (s *server) wantLeftOut(t *testing.T, token, reason string) {
	t.Helper()
	const counter = `widgetd_store_unreadable_records_total{store="widgets"}`
	before := s.scrape(t)[counter]
	page := s.do(t, get("/widgets", token)).page(t)
	if names := page.names(); !slices.Equal(names, []string{"good"}) || page.TotalItems != 2 {
		t.Errorf("the page has the widgets %q of %d", names, page.TotalItems)
	}
	if after := s.scrape(t)[counter]; after != before+1 {
		t.Errorf("%s was %v before the page and is %v after it", counter, before, after)
	}
	_, logged := s.log.awaitRecord(s.exited, func(record map[string]any) bool {
		cause, _ := record["error"].(string)
		return record["msg"] == "a record cannot be read and is left out of a page" && record["level"] == "WARN" &&
			strings.Contains(cause, reason)
	})
	if !logged {
		t.Errorf("the log has no warning with %q:\n%s", reason, s.log)
	}
}

func TestUnreadableAccountCannotBeUsed(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	s := start(t, folder(t), onMongoDB(uri)...)
	other := s.register(t, userEmail, userPassword)
	for i, field := range slices.Sorted(maps.Keys(unreadableFields["users"])) {
		change := unreadableFields["users"][field]
		account := fields{"email": string(rune('a'+i)) + "@example.com", "password": userPassword}
		token := s.register(t, account["email"], account["password"])
		odd := storedDocument{t, databaseOf(t, uri).Collection("users"), bson.D{{Key: "email_key", Value: account["email"]}}}
		odd.set(field, change.value)
		s.wantFault(post("/auth/login", "", account), odd, "collection users, _id "+id(odd.read())+": the field "+field)
		s.wantFault(get("/auth/user", token), odd, change.reason)
		s.do(t, post("/auth/register", "", account)).want(t, 409, "")
		s.do(t, get("/auth/user", other)).want(t, 200, "")
	}
}

// id returns the UUID of a document.
func id(doc bson.Raw) string {
	_, data := doc.Lookup("_id").Binary()
	return domain.UUID(data).String()
}
