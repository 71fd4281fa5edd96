package mongodb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/adapters/mongodb"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/internal/mongotest"
)

// unusedAddress is an address at which no server listens. Operating systems do not
// assign port 1 to programs.
const unusedAddress = "127.0.0.1:1"

// TestOpenRejectsAMalformedURI checks that the error is one line, names the problem
// and does not contain a part of the password. In some of these URIs the parser finds
// a part of the password in the host, the port or an option.
func TestOpenRejectsAMalformedURI(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	for name, test := range map[string]struct{ uri, want string }{
		"empty":                       {"", `scheme must be "mongodb" or "mongodb+srv"`},
		"another scheme":              {"postgres://ada:s3cr3t@example.com/widgetd", `scheme must be "mongodb" or "mongodb+srv"`},
		"no host":                     {"mongodb://", "host"},
		"port not a number":           {"mongodb://ada:s3cr3t@localhost:s3cr3t/widgetd", "port must be an integer"},
		"port out of range":           {"mongodb://ada:s3cr3t@localhost:123456", "port must be in the range"},
		"credentials without host":    {"mongodb://ada:s3cr3t", "port must be an integer"},
		"slash in the password":       {"mongodb://ada:s3cr3t/x@localhost/", ""},
		"at sign in the password":     {"mongodb://ada:s3cr3t@x@localhost/", "unescaped @"},
		"colon in the password":       {"mongodb://ada:x:s3cr3t@localhost/", "unescaped colon in password"},
		"escape in the password":      {"mongodb://ada:%s3cr3t@localhost/", "invalid password"},
		"invalid option":              {"mongodb://ada:s3cr3t@localhost/?tls=perhaps", `invalid value for "tls"`},
		"secret in an option":         {"mongodb://localhost/?tlsCertificateKeyFilePassword=%s3cr3t", "invalid option value"},
		"options that contradict":     {"mongodb://ada:s3cr3t@a,b/?directConnection=true", "multiple hosts"},
		"mechanism without a user":    {"mongodb://localhost/?authMechanism=SCRAM-SHA-256", "username required"},
		"timeout that is no duration": {"mongodb://ada:s3cr3t@localhost/?timeoutMS=soon", `invalid value for "timeoutMS"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := mongodb.Open(t.Context(), test.uri, mongodb.Options{})
			if err == nil {
				t.Fatal(errors.Join(errors.New("Open succeeded"), db.Close()))
			}
			if errors.Is(err, domain.Unavailable) {
				t.Errorf("%q is Unavailable, so the caller would retry", err)
			}
			if !strings.HasPrefix(err.Error(), "MongoDB URI: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want an error about the URI with %q", err, test.want)
			}
			wantOneLine(t, err)
			for i := range len(secret) - 2 {
				if strings.Contains(err.Error(), secret[i:i+3]) {
					t.Errorf("%q contains a part of the password", err)
				}
			}
		})
	}
}

func TestUnreachableServerIsUnavailable(t *testing.T) {
	t.Parallel()
	silent := startStub(t, func(string) bson.D { return nil })
	for name, address := range map[string]string{"refuses connections": unusedAddress, "does not answer": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := mongodb.Open(t.Context(), "mongodb://ada:s3cr3t@"+address+"/?authSource=admin", mongodb.Options{})
			if !errors.Is(err, domain.Unavailable) || !strings.HasPrefix(err.Error(), "MongoDB at "+address+" does not answer: ") {
				t.Errorf("got %q", err)
			}
			if took := time.Since(start); took > 7*time.Second { // the driver may need another three seconds to close its connections
				t.Errorf("Open took %v", took)
			}
			wantOneLine(t, err)
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%q contains the password", err)
			}
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	address := startStub(t, func(string) bson.D { cancel(); return nil })
	_, err := mongodb.Open(ctx, "mongodb://"+address, mongodb.Options{})
	if !errors.Is(err, domain.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestPermanentProblemOfAServerIsNotUnavailable opens servers that Open can never
// use. The error must not be Unavailable, because the caller would retry.
func TestPermanentProblemOfAServerIsNotUnavailable(t *testing.T) {
	t.Parallel()
	refusal := func(code int, name, message string) bson.D {
		return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: int32(code)}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: message}}
	}
	for name, test := range map[string]struct {
		userinfo, options string
		command           string // that the server answers with:
		answer            bson.D
		want              string
	}{
		"too old": {
			command: "hello", answer: bson.D{{Key: "maxWireVersion", Value: int32(8)}},
			want: "requires at least 9 (MongoDB 4.4)",
		},
		"wrong credentials": {
			userinfo: "ada:s3cr3t@",
			command:  "saslStart", answer: refusal(18, "AuthenticationFailed", "Authentication failed."),
			want: "refuses the URI's credentials: ",
		},
		"wrong credentials at Atlas": {
			userinfo: "ada:s3cr3t@",
			command:  "saslStart", answer: refusal(8000, "AtlasError", "bad auth : authentication failed"),
			want: "refuses the URI's credentials: ",
		},
		"linearizable reads of a single server": {
			options: "/?readConcernLevel=linearizable",
			command: "find", answer: refusal(123, "NotAReplicaSet", "node needs to be a replica set member"),
			want: "readConcernLevel=linearizable needs a replica set, and this is a single server",
		},
		"no access": {
			command: "createIndexes", answer: refusal(13, "Unauthorized", "not authorized on widgetd to execute command"),
			want: "index of the collection users: (Unauthorized) not authorized on widgetd",
		},
		"another index of that name": {
			command: "createIndexes", answer: refusal(86, "IndexKeySpecsConflict", "An existing index has the same name"),
			want: "index of the collection users: (IndexKeySpecsConflict)",
		},
		"duplicates": {
			command: "createIndexes", answer: refusal(11000, "DuplicateKey", `E11000 dup key: { email_key: "ada@example.com" }`),
			want: "documents of the collection users share a value of email_key, which must be unique",
		},
		"direct connection to one of several members": {
			options: "/?directConnection=true",
			command: "hello", answer: bson.D{{Key: "setName", Value: "rs"}, {Key: "hosts", Value: bson.A{"a:1", "b:1", "c:1"}}},
			want: "directConnection",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startStub(t, func(command string) bson.D {
				if command == "isMaster" || command == "ismaster" {
					command = "hello"
				}
				if command == test.command {
					return test.answer
				}
				return bson.D{}
			})
			_, err := mongodb.Open(t.Context(), "mongodb://"+test.userinfo+address+test.options, mongodb.Options{})
			if err == nil || errors.Is(err, domain.Unavailable) ||
				!strings.HasPrefix(err.Error(), "MongoDB at "+address) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %q, want an error with %q", err, test.want)
			}
			wantOneLine(t, err)
			for _, hidden := range []string{"s3cr3t", "ada@example.com"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("%q contains %s", err, hidden)
				}
			}
		})
	}
}

func TestSecondaryIsUnavailable(t *testing.T) {
	t.Parallel()
	address := startStub(t, func(command string) bson.D {
		if command == "hello" || command == "isMaster" {
			return bson.D{{Key: "isWritablePrimary", Value: false}, {Key: "ismaster", Value: false}, {Key: "secondary", Value: true},
				{Key: "setName", Value: "rs"}, {Key: "hosts", Value: bson.A{"only:1"}}}
		}
		return bson.D{}
	})
	_, err := mongodb.Open(t.Context(), "mongodb://"+address+"/?directConnection=true", mongodb.Options{})
	if !errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "not the replica set's primary") {
		t.Errorf("got %v", err)
	}
}

// TestRealServerRejectsCredentials uses a real server for a case that
// TestPermanentProblemOfAServerIsNotUnavailable tests with a stub.
func TestRealServerRejectsCredentials(t *testing.T) {
	t.Parallel()
	_, host, _ := strings.Cut(mongotest.Start(t).Database(t), "://")
	_, err := mongodb.Open(t.Context(), "mongodb://ada:s3cr3t@"+host, mongodb.Options{})
	if err == nil || errors.Is(err, domain.Unavailable) || !strings.Contains(err.Error(), "refuses the URI's credentials") {
		t.Errorf("got %v", err)
	}
}

// openAtOnce opens the database with a number of servers at the same moment.
func openAtOnce(t *testing.T, uri string, servers int) []*mongodb.DB {
	t.Helper()
	dbs := make([]*mongodb.DB, servers)
	var opening sync.WaitGroup
	for i := range dbs {
		opening.Go(func() {
			db, err := mongodb.Open(t.Context(), uri, mongodb.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			dbs[i] = db
			t.Cleanup(func() { noError(t, db.Close()) })
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return dbs
}

func TestSimultaneousOpensCreateTheIndexesOnce(t *testing.T) {
	t.Parallel()
	uri := mongotest.URI(t)
	dbs := openAtOnce(t, uri, 8)
	want := map[string][]string{
		"users": {"_id_", "admin_1", "email_key_1", "seq_1_seq_id_1_registered_on_1__id_1"},
		"widgets": {
			"_id_", "name_1", "seq_1__id_1", "deadline_1_seq_1__id_1",
			"owner.public_id_1_seq_1__id_1", "owner.public_id_1_deadline_1_seq_1__id_1",
		},
		"blacklist": {"_id_", "expires_at_1", "value_1_expires_at_1__id_1"},
	}
	for collection, names := range want {
		specs, err := dbs[0].Database().Collection(collection).Indexes().ListSpecifications(t.Context())
		noError(t, err)
		got := map[string]bool{}
		for _, spec := range specs {
			got[spec.Name] = true
			unique := spec.Name == "email_key_1" || spec.Name == "name_1"
			if (spec.Unique != nil && *spec.Unique) != unique {
				t.Errorf("unique index %s of %s: %t, want %t", spec.Name, collection, !unique, unique)
			}
		}
		equal(t, "number of indexes of "+collection, len(specs), len(names))
		for _, name := range names {
			if !got[name] {
				t.Errorf("%s has no index %s", collection, name)
			}
		}
	}
}

func TestOpenUsesTheDatabaseInTheURI(t *testing.T) {
	t.Parallel()
	address := startStub(t, func(string) bson.D { return bson.D{} })
	for uri, want := range map[string]string{
		"mongodb://" + address:                        "widgetd",
		"mongodb://" + address + "/":                  "widgetd",
		"mongodb://" + address + "/?appName=x":        "widgetd",
		"mongodb://" + address + "/shop":              "shop",
		"mongodb://" + address + "/shop?authSource=x": "shop",
	} {
		equal(t, "the database of "+uri, open(t, uri).Database().Name(), want)
	}
}

func wantOneLine(t *testing.T, err error) {
	t.Helper()
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%q has several lines", err)
	}
}
