package fiberhttp_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
)

// routes are the paths of the contract and their methods.
var routes = map[string][]string{
	"/":                                   {"GET", "HEAD"},
	"/api/v1":                             {"GET", "HEAD"},
	"/api/v1/":                            {"GET", "HEAD"},
	"/healthz":                            {"GET", "HEAD"},
	"/api/v1/openapi.json":                {"GET", "HEAD"},
	"/api/v1/swagger.json":                {"GET", "HEAD"},
	"/api/v1/ui":                          {"GET", "HEAD"},
	"/api/v1/ui/page.js":                  {"GET", "HEAD"},
	"/readyz":                             {"GET", "HEAD"},
	"/api/v1/auth/register":               {"POST"},
	"/api/v1/auth/login":                  {"POST"},
	"/api/v1/auth/user":                   {"GET", "HEAD"},
	"/api/v1/auth/logout":                 {"POST"},
	"/api/v1/auth/password":               {"POST"},
	"/api/v1/auth/unregister":             {"POST"},
	"/api/v1/users":                       {"GET", "HEAD", "POST"},
	"/api/v1/users/" + userID:             {"GET", "HEAD", "PATCH", "DELETE"},
	"/api/v1/users/" + userID + "/logout": {"POST"},
	"/api/v1/widgets":                     {"GET", "HEAD", "POST"},
	"/api/v1/widgets/gear":                {"GET", "HEAD", "PUT", "PATCH", "DELETE"},
}

var someMethods = []string{
	"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "FOO", "get", "M-SEARCH",
}

func TestMethodNotAllowedNamesTheAllowedMethods(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for path, takes := range routes {
		for _, method := range someMethods {
			if slices.Contains(takes, method) || method == "OPTIONS" {
				continue
			}
			t.Run(method+path, func(t *testing.T) {
				t.Parallel()
				body := message("Method Not Allowed")
				if method == "HEAD" {
					body = ""
				}
				got := s.do(t, request{method: method, path: path})
				got.want(t, 405, body, "WWW-Authenticate:")
				got.wantAllow(t, takes)
			})
		}
	}
}

func TestPlainOPTIONSNamesTheAllowedMethods(t *testing.T) {
	t.Parallel()
	for name, configured := range map[string][]string{"any origin": {"*"}, "no origin": nil} {
		s := serve(t, func(s *server) { s.config.CORSOrigins = configured })
		for path, takes := range routes {
			for kind, options := range map[string]request{
				"bare":            {method: "OPTIONS", path: path},
				"with a token":    {method: "OPTIONS", path: path, token: userToken},
				"with an origin":  request{method: "OPTIONS", path: path}.with("Origin: https://app.example"),
				"without a token": request{method: "OPTIONS", path: path}.with("Authorization: nonsense"),
			} {
				t.Run(name+path+"/"+kind, func(t *testing.T) {
					t.Parallel()
					got := s.do(t, options)
					got.want(t, 204, "", "WWW-Authenticate:", "Content-Type:")
					got.wantAllow(t, takes)
				})
			}
		}
	}
}

// wantAllow checks the methods in the header Allow.
func (r response) wantAllow(t *testing.T, methods []string) {
	t.Helper()
	allowed := strings.Split(r.header.Get("Allow"), ", ")
	slices.Sort(allowed)
	if want := slices.Sorted(slices.Values(methods)); !slices.Equal(allowed, want) {
		t.Errorf("Allow is %v, want %v", allowed, want)
	}
}

func TestUnknownPathsAreNotFoundWithoutAToken(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{
		"/nope", "/api", "/api/v2/widgets", "/api/v1/auth", "/api/v1/auth/users", "/API/V1/widgets", "/api/v1/Widgets",
		"/api/v1/widgets/a/b", "/api/v1/widgets/../x", "/api/v1/auth/login/x", "//api/v1/widgets", "/api/v1//widgets", "/%61pi/v1/widgets",
	} {
		for _, method := range someMethods {
			t.Run(method+path, func(t *testing.T) {
				t.Parallel()
				body := message("Not Found")
				if method == "HEAD" {
					body = ""
				}
				s.do(t, request{method: method, path: path}).want(t, 404, body, "Allow:", "WWW-Authenticate:")
			})
		}
	}
}

// RFC 9112 section 3.2.4: only OPTIONS takes the target "*".
func TestAsteriskIsNoPath(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, request{method: "OPTIONS", path: "*"}).want(t, 404, message("Not Found"), "Allow:")
	for _, method := range []string{"GET", "POST", "DELETE", "FOO"} {
		s.do(t, request{method: method, path: "*"}).want(t, 400, message("Bad Request"))
	}
}

func TestHEADIsGETWithoutTheBody(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, get := range map[string]request{
		"healthz": {method: "GET", path: "/healthz"},
		"user":    currentUser,
		"list":    listWidgets,
		"slice":   sliceWidgets,
		"304":     getWidget.with("If-None-Match: *"),
		"widget":  getWidget,
		"404":     {method: "GET", path: "/api/v1/widgets/nope", token: userToken},
		"401":     {method: "GET", path: "/api/v1/widgets"},
		"400":     {method: "GET", path: "/api/v1/widgets?page=0", token: userToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head := get
			head.method = "HEAD"
			want, got := s.do(t, get), s.do(t, head)
			if got.status != want.status {
				t.Errorf("status %d, want %d", got.status, want.status)
			}
			for key := range want.header {
				if key != "X-Request-Id" && key != "Date" && got.header.Get(key) != want.header.Get(key) {
					t.Errorf("%s is %q, want %q", key, got.header.Get(key), want.header.Get(key))
				}
			}
		})
	}
}

func TestAuthenticationComesBeforeValidation(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const (
		unauthorized = `WWW-Authenticate: Bearer realm="widgetd"`
		insufficient = unauthorized + `, error="insufficient_scope", error_description="You are not an administrator"`
	)
	for name, write := range map[string]request{
		"POST": createWidget, "PUT": putWidget, "PATCH": patchWidget, "DELETE": deleteWidget,
		"POST of an account": createUser, "PATCH of an account": changeUser, "DELETE of an account": deleteUser, "log-out of an account": logOutUser,
	} {
		for kind, sent := range map[string]request{
			"good":             write,
			"no body":          write.sending("", ""),
			"malformed JSON":   write.sending("application/json", "{"),
			"wrong types":      write.sending("application/json", `{"name":1}`),
			"broken multipart": write.sending("multipart/form-data; boundary=x", "--y"),
			"no boundary":      write.sending("multipart/form-data", "--y"),
			"unsupported type": write.sending("text/plain", "x"),
			"compressed":       write.with("Content-Encoding: gzip"),
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s.do(t, sent.as("")).want(t, 401, message("Unauthorized"), unauthorized)
				s.do(t, sent.as("nonsense")).want(t, 401, message("Invalid token. Please log in again."),
					unauthorized+`, error="invalid_token", error_description="Invalid token. Please log in again."`)
				s.do(t, sent.as(userToken)).want(t, 403, message("You are not an administrator"), insufficient)
			})
		}
	}
	for _, path := range []string{"/api/v1/widgets/%2e%2e", "/api/v1/users/%2e%2e"} {
		s.do(t, request{method: "DELETE", path: path}).want(t, 401, message("Unauthorized"), unauthorized)
		s.do(t, request{method: "DELETE", path: path, token: userToken}).want(t, 403, message("You are not an administrator"), insufficient)
	}
	for kind, own := range map[string]request{"password": changePassword, "unregister": unregister, "log out": logOutEverywhere} {
		for _, content := range []string{"application/json", "text/plain", "multipart/form-data"} {
			t.Run(kind+"/"+content, func(t *testing.T) {
				t.Parallel()
				s.do(t, own.sending(content, "{").as("")).want(t, 401, message("Unauthorized"), unauthorized)
			})
		}
	}
	t.Run("page", func(t *testing.T) {
		t.Parallel()
		s.do(t, request{method: "GET", path: "/api/v1/users?page=x", token: userToken}).want(t, 403, message("You are not an administrator"), insufficient)
		s.do(t, request{method: "GET", path: "/api/v1/widgets?page=x"}).want(t, 401, message("Unauthorized"), unauthorized)
	})
	t.Run("log out", func(t *testing.T) {
		t.Parallel()
		s.do(t, logOut.as("").sending("text/plain", "x")).want(t, 401, message("Unauthorized"), unauthorized, "Cache-Control: no-store")
		s.do(t, logOut.sending("text/plain", "x")).want(t, 415, message("Unsupported Media Type"))
	})
}

func TestTokenIsAcceptedOnlyInTheAuthorizationHeader(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do(t, request{method: "GET", path: "/api/v1/widgets?access_token=" + userToken}).want(t, 401, message("Unauthorized"))
	s.do(t, logOut.as("").sending(fields{"access_token", userToken}.form())).want(t, 401, message("Unauthorized"))
	s.do(t, listWidgets.as("").with("Cookie: access_token="+userToken)).want(t, 401, message("Unauthorized"))
	if got := s.auth.AuthenticateCalls(); len(got) > 0 {
		t.Errorf("the port got %+v", got)
	}
}

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	const (
		none = `Bearer realm="widgetd"`
		bad  = none + `, error="invalid_token", error_description="Invalid token. Please log in again."`
		word = none + `, error="invalid_request", error_description="Write the header as: Authorization: Bearer <token>"`
	)
	s := serve(t)
	for header, challenge := range map[string]string{
		"":                                       none,
		"Bearer":                                 none,
		"Bearer ":                                none,
		"Bearer   \t":                            none,
		"bEARER":                                 none,
		userToken:                                word,
		" \t" + userToken + "\t ":                word,
		"x":                                      word,
		"Basic":                                  word,
		"Bearer:" + userToken:                    word,
		"Bearer" + userToken:                     word,
		"Bearer," + userToken:                    word,
		"Bearer=" + userToken:                    word,
		"\xff\xfe":                               word,
		"Basic " + userToken:                     none,
		"Basic\t" + userToken:                    none,
		"Token " + userToken:                     none,
		"BearerX " + userToken:                   none,
		userToken + " " + userToken:              none,
		"\"Bearer\" " + userToken:                none,
		"Bearer x":                               bad,
		"Bearer " + userToken + " " + userToken:  bad,
		"Bearer " + userToken + ", " + userToken: bad,
		"Bearer " + userToken + ",":              bad,
		"Bearer \"" + userToken + "\"":           bad,
		"Bearer Bearer " + userToken:             bad,
		"Bearer \xff\xfe":                        bad,
		"Bearer " + userToken:                    "",
		"bearer " + userToken:                    "",
		"BEARER " + userToken:                    "",
		"bEaReR " + userToken:                    "",
		"Bearer   " + userToken:                  "",
		"  Bearer " + userToken + "  ":           "",
	} {
		t.Run(header, func(t *testing.T) {
			t.Parallel()
			got := s.do(t, getWidget.as("").with("Authorization: "+header))
			switch challenge {
			case "":
				got.want(t, 200, gearBody, "WWW-Authenticate:")
			case none, word:
				got.want(t, 401, message("Unauthorized"), "WWW-Authenticate: "+challenge)
			default:
				got.want(t, 401, message("Invalid token. Please log in again."), "WWW-Authenticate: "+challenge)
			}
		})
	}
}

func TestEveryResponseHasARequestID(t *testing.T) {
	t.Parallel()
	s := serve(t)
	made := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for name, test := range map[string]struct {
		id   string
		sane bool
	}{
		"uuid":             {"7b2e3c80-0000-4000-8000-000000000001", true},
		"trace":            {"Root=1-67891233-abcdef012345678912345678", true},
		"base64":           {"a+b/c==", true},
		"one character":    {"x", true},
		"128 bytes":        {strings.Repeat("x", 128), true},
		"129 bytes":        {strings.Repeat("x", 129), false},
		"none":             {"", false},
		"space":            {"a b", false},
		"email":            {"ada@example.com", false},
		"markup":           {"<script>", false},
		"quote":            {`a"b`, false},
		"not ASCII":        {"né", false},
		"not UTF-8":        {"\xff", false},
		"tab":              {"a\tb", false},
		"a password of it": {password, false},
	} {
		for kind, r := range map[string]request{
			"200": getWidget, "401": getWidget.as(""), "404": {method: "GET", path: "/nope"}, "405": {method: "FOO", path: "/healthz"},
			"413": register.sending("application/json", strings.Repeat(" ", 64<<10+1)),
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				got := s.do(t, r.with("X-Request-Id: "+test.id)).header["X-Request-Id"]
				if len(got) != 1 || test.sane != (got[0] == test.id) || !test.sane && !made.MatchString(got[0]) {
					t.Errorf("%q became %q", test.id, got)
				}
				var logged int
				for _, line := range s.log.Lines("request") {
					if line["id"] == got[0] {
						logged++
					}
				}
				if logged == 0 || !test.sane && logged > 1 {
					t.Errorf("the log has the id %q %d times", got[0], logged)
				}
			})
		}
	}
}

const exposed = "ETag,Link,Location,Total-Count,X-Request-Id,Retry-After,WWW-Authenticate"

// origins are configurations of CORS, and the origin that the response to
// https://app.example allows.
var origins = map[string]struct {
	configured []string
	allowed    string
}{
	"any origin":     {[]string{"*"}, "*"},
	"listed origins": {[]string{"https://other.example", "https://app.example"}, "https://app.example"},
	"another origin": {[]string{"https://other.example"}, ""},
	"no origin":      {nil, ""},
}

func TestPreflightOfEveryRouteAllowsAuthorization(t *testing.T) {
	t.Parallel()
	for name, test := range origins {
		if test.configured == nil {
			continue // the server answers OPTIONS without CORS
		}
		s := serve(t, func(s *server) { s.config = fiberhttp.Config{CORSOrigins: test.configured} })
		for path, takes := range routes {
			for _, method := range takes {
				t.Run(name+"/"+method+path, func(t *testing.T) {
					t.Parallel()
					got := s.do(t, request{method: "OPTIONS", path: path}.with("Origin: https://app.example",
						"Access-Control-Request-Method: "+method, "Access-Control-Request-Headers: authorization,content-type"))
					got.want(t, 204, "", "Access-Control-Allow-Origin: "+test.allowed, "Access-Control-Allow-Credentials:")
					for header, item := range map[string]string{"Access-Control-Allow-Methods": method, "Access-Control-Allow-Headers": "Authorization"} {
						if !slices.Contains(strings.Split(got.header.Get(header), ","), item) {
							t.Errorf("%s does not list %s: %q", header, item, got.header.Get(header))
						}
					}
				})
			}
		}
	}
}

func TestPreflightAllowsTheHeadersOfTracingAndOfWrappersOfFetch(t *testing.T) {
	t.Parallel()
	s := serve(t)
	want := []string{"authorization", "baggage", "cache-control", "content-type", "if-match", "if-none-match", "traceparent", "tracestate", "x-request-id", "x-requested-with"}
	for _, asked := range []string{
		"", "authorization", "traceparent,tracestate,baggage", "x-requested-with", "X-Requested-With", "cache-control, authorization",
		"IF-MATCH", "if-none-match,content-type", "x-request-id", "x-unknown", strings.Join(want, ","), strings.ToUpper(strings.Join(want, ", ")),
	} {
		for _, path := range []string{"/api/v1/widgets", "/api/v1/widgets/gear", "/api/v1/auth/login", "/nope"} {
			t.Run(path+"/"+asked, func(t *testing.T) {
				t.Parallel()
				preflight := request{method: "OPTIONS", path: path}.with("Origin: https://app.example", "Access-Control-Request-Method: GET")
				if asked != "" {
					preflight = preflight.with("Access-Control-Request-Headers: " + asked)
				}
				got := s.do(t, preflight)
				got.want(t, 204, "")
				allowed := strings.Split(strings.ToLower(got.header.Get("Access-Control-Allow-Headers")), ",")
				slices.Sort(allowed)
				if !slices.Equal(allowed, want) {
					t.Errorf("allowed are %v, want %v", allowed, want)
				}
			})
		}
	}
}

func TestAllowedOriginsMayReadEveryResponse(t *testing.T) {
	t.Parallel()
	for name, test := range origins {
		s := serve(t, func(s *server) { s.config = fiberhttp.Config{CORSOrigins: test.configured, MaxRegistrations: 1} })
		s.do(t, register)
		for status, r := range map[int]request{
			200: getWidget,
			201: createWidget,
			204: deleteWidget,
			400: createWidget.sending("application/json", "{"),
			401: getWidget.as(""),
			403: deleteWidget.as(userToken),
			404: {method: "GET", path: "/nope"},
			405: {method: "FOO", path: "/healthz"},
			413: createWidget.sending("application/json", strings.Repeat(" ", 64<<10+1)),
			415: createWidget.sending("text/plain", "x"),
			429: register,
			431: getWidget.with("X-Padding: " + strings.Repeat("x", 10<<10)),
		} {
			t.Run(fmt.Sprintf("%s/%d", name, status), func(t *testing.T) {
				t.Parallel()
				got := s.do(t, r.with("Origin: https://app.example"))
				allowed := test.allowed
				if status == 431 && allowed != "*" {
					allowed = "" // the headers were not read, so the origin is not known
				}
				got.want(t, status, got.body, "Access-Control-Allow-Origin: "+allowed)
				if allowed != "" {
					got.want(t, status, got.body, "Access-Control-Expose-Headers: "+exposed)
				}
				if test.configured != nil && test.allowed != "*" && got.header.Get("Vary") != "Origin" {
					t.Errorf("Vary is %q", got.header.Get("Vary"))
				}
			})
		}
	}
}
