package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/widgetd/widgetd/adapters/jwtsigner"
	"github.com/widgetd/widgetd/domain"
)

// Paths of requests.
const (
	base      = "/api/v1"
	firstPage = base + "/widgets?page=1&per_page=10"
	ownUser   = base + "/auth/user"
)

// server is a running program, with the values that its requests need.
type server struct {
	*process
	connections int
	admin       domain.User
	key         jwtsigner.Key // of its tokens
	token       string
	folder      string       // of the embedded store
	widgets     int          // in the store at the start
	made        atomic.Int64 // widgets created since
}

// request returns the bytes of a request. An empty token or body is left out.
func request(method, path, token, body string) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, path)
	if token != "" {
		fmt.Fprintf(&text, "Authorization: Bearer %s\r\n", token)
	}
	if body != "" {
		fmt.Fprintf(&text, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(body))
	}
	return []byte(text.String() + "\r\n" + body)
}

// sending returns a side that sends the requests of feed to p and expects the status. Its
// first round opens the connections.
func sending(name string, p *process, connections, status int, feed func(connection int) func() []byte) side {
	l, open := load{p.addr, status, feed}, &clients{}
	return side{name: name, server: p,
		run: func(duration time.Duration) (_ measured, err error) {
			if len(open.works) == 0 {
				if open, err = l.dial(connections); err != nil {
					return measured{}, err
				}
			}
			return open.run(duration)
		},
		close: func() error { return open.close() },
	}
}

// lastPage returns the path of the last page, with ten widgets on each page.
func lastPage(widgets int) string {
	return fmt.Sprintf("%s/widgets?page=%d&per_page=10", base, (widgets+9)/10)
}

// read returns a side that reads one path from p.
func (s *server) read(name string, p *process, path string) side {
	return sending(name, p, s.connections, http.StatusOK, always(request(http.MethodGet, path, s.token, "")))
}

// always returns a feed that returns the same request again and again.
func always(same []byte) func(int) func() []byte {
	return func(int) func() []byte { return func() []byte { return same } }
}

// get returns a side that reads random widgets from p.
func (s *server) get(name string, p *process) side { return s.getOver(s.connections, name, p) }

// getOver is get over the given number of connections.
func (s *server) getOver(connections int, name string, p *process) side {
	return sending(name, p, connections, http.StatusOK, func(int) func() []byte {
		widgets := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // not a secret
		next := request(http.MethodGet, base+"/widgets/"+widgetName(0), s.token, "")
		digits := numberIn(next)
		return func() []byte {
			writeNumber(digits, widgets.IntN(s.widgets))
			return next
		}
	})
}

// create returns a side that creates widgets.
func (s *server) create(name string) side { return s.createOver(s.connections, name) }

// createOver is create over the given number of connections.
func (s *server) createOver(connections int, name string) side {
	return sending(name, s.process, connections, http.StatusCreated, func(int) func() []byte {
		next := request(http.MethodPost, base+"/widgets", s.token,
			"name="+widgetName(0)+"&info_url=https://example.com/widgets/of/ada?page=1&deadline=2099-12-31")
		digits := numberIn(next)
		return func() []byte {
			writeNumber(digits, s.widgets+int(s.made.Add(1)))
			return next
		}
	})
}

// logIn returns a side that logs in. A log-in takes tens of milliseconds, so few
// connections keep every processor busy.
func (s *server) logIn(name string) side {
	body := "email=" + email + "&password=" + strings.ReplaceAll(password, " ", "+")
	return sending(name, s.process, 2*runtime.GOMAXPROCS(0), http.StatusOK, always(request(http.MethodPost, base+"/auth/login", "", body)))
}

// logOut returns a side that logs tokens out. The tokens are signed before each round.
func (s *server) logOut(name string) side { return s.logOutOver(s.connections, name) }

// logOutOver is logOut over the given number of connections.
func (s *server) logOutOver(connections int, name string) side {
	perSecond := float64(min(40_000, 5_000*connections)) // more than the program can log out
	var (
		requests [][]byte
		used     atomic.Int64
	)
	out := sending(name, s.process, connections, http.StatusOK, func(int) func() []byte {
		return func() []byte {
			if i := int(used.Add(1)) - 1; i < len(requests) {
				return requests[i]
			}
			return nil
		}
	})
	out.prepare = func(duration time.Duration) error {
		tokens, err := newTokens(s.key, s.admin, int(duration.Seconds()*perSecond))
		requests = make([][]byte, len(tokens))
		for i, token := range tokens {
			requests[i] = request(http.MethodPost, base+"/auth/logout", token, "")
		}
		used.Store(0)
		return err
	}
	return out
}

// fileSize returns the size of the files of the embedded store, in bytes.
func (s *server) fileSize() (size int64, err error) {
	return size, filepath.WalkDir(s.folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
}

// answer returns the response of p to a GET request.
func (s *server) answer(p *process, path string) (answer, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+p.addr+path, nil) //nolint:noctx // the server answers at once
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	}
	return newAnswer(response.Header, body), err
}

// Routes of the reads that are compared.
const (
	getRoute  = base + "/widgets/:name"
	pageRoute = base + "/widgets"
	userRoute = base + "/auth/user"
)

// paths returns a path of each of these routes.
func paths() map[string]string {
	return map[string]string{getRoute: base + "/widgets/" + widgetName(0), pageRoute: firstPage, userRoute: ownUser}
}

// answers returns the responses that a bare server must send.
func (s *server) answers() (answers, error) {
	routes := answers{}
	for route, path := range paths() {
		answer, err := s.answer(s.process, path)
		if err != nil {
			return nil, err
		}
		routes[route] = answer
	}
	return routes, nil
}

// compareAnswers returns an error unless p answers a GET request as the server does: with
// the same headers and the same JSON, except the values that differ in every response.
func (s *server) compareAnswers(p *process, path string) error {
	want, err := s.answer(s.process, path)
	if err != nil {
		return err
	}
	got, err := s.answer(p, path)
	if err != nil {
		return err
	}
	wantHeader, wantBody, err := want.lasting()
	if err != nil {
		return err
	}
	gotHeader, gotBody, err := got.lasting()
	if err == nil && (!maps.Equal(gotHeader, wantHeader) || !reflect.DeepEqual(gotBody, wantBody)) {
		err = fmt.Errorf("GET %s: the response is\n%v %s\nnot\n%v %s", path, gotHeader, got.Body, wantHeader, want.Body)
	}
	return err
}

// lasting returns the headers and the JSON without the values that differ in every
// response.
func (a answer) lasting() (header map[string]string, body map[string]any, err error) {
	header = map[string]string{}
	for _, field := range a.Header {
		header[field[0]] = field[1]
	}
	header["X-Request-Id"] = ""
	err = json.Unmarshal(a.Body, &body)
	for _, name := range []string{"time_remaining", "token_expires_in"} {
		delete(body, name)
	}
	items, _ := body["items"].([]any)
	for _, item := range items {
		delete(item.(map[string]any), "time_remaining")
	}
	return header, body, err
}

// usualWidgets returns the widgets of the server for the usual service.
func (s *server) usualWidgets() ([]usualWidget, error) {
	widgets := make([]usualWidget, s.widgets)
	for n := range widgets {
		got, err := s.answer(s.process, base+"/widgets/"+widgetName(n))
		if err != nil {
			return nil, err
		}
		var body usualResponse
		if err := json.Unmarshal(got.Body, &body); err != nil {
			return nil, err
		}
		header, _, err := got.lasting()
		if err != nil {
			return nil, err
		}
		created, errCreated := time.Parse(time.RFC3339, body.CreatedAtISO8601)
		deadline, errDeadline := time.Parse(time.RFC3339, body.DeadlineISO8601)
		if err := errors.Join(errCreated, errDeadline); err != nil {
			return nil, err
		}
		widgets[n] = usualWidget{body.Name, body.InfoURL, created, deadline, body.Owner, header["Etag"]}
	}
	return widgets, nil
}

// numberIn returns the part of a request that holds the seven digits of a widget's name.
func numberIn(request []byte) []byte {
	at := bytes.Index(request, []byte("widget-0000000")) + len("widget-")
	return request[at : at+7]
}

// writeNumber writes n into digits, with leading zeros.
func writeNumber(digits []byte, n int) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
}
