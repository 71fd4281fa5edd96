package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/widgetd/widgetd/domain"
)

// knowledge has the states that each subject may have at a moment: the confirmed one, and
// those of writes that have begun since.
type knowledge map[string][]string

// learn adds a line that the process has reported.
func (k knowledge) learn(line []byte) error {
	var learned fact
	if err := json.Unmarshal(line, &learned); err != nil {
		return fmt.Errorf("the line %q: %w", line, err)
	}
	if clock := learned.States["clock"]; clock != "" && !slices.Contains(k.of("clock"), clock) { // later than every token expires
		for subject := range k {
			if strings.HasPrefix(subject, "token ") {
				learned.States[subject] = tokenEnded
			}
		}
	}
	for subject, state := range learned.States {
		if learned.Begun {
			k[subject] = append(slices.Clone(k.of(subject)), state)
		} else {
			k[subject] = []string{state}
		}
	}
	return nil
}

func (k knowledge) of(subject string) []string {
	if states, found := k[subject]; found {
		return states
	}
	return []string{""}
}

// clock returns the clock of a start after the moment. The process may have seen the time
// that it began to set.
func (k knowledge) clock() (*setClock, error) {
	times := k.of("clock")
	passed, err := time.ParseDuration(times[len(times)-1])
	return newSetClock(passed), err
}

// check opens the data folder and compares what it has with the knowledge. It then writes
// to it and opens it once more, if again is true. The folder must not be refused.
func (k knowledge) check(data string, again bool) error {
	const extra = "after-the-cut"
	clock, err := k.clock()
	if err != nil {
		return err
	}
	s, err := openSite(data, clock)
	if err != nil {
		return fmt.Errorf("the data folder is refused: %w", err)
	}
	err = k.compare(s)
	if again && err == nil {
		err = s.addWidget(extra)
	}
	if err = errors.Join(err, s.close()); err != nil || !again {
		return err
	}
	later := maps.Clone(k)
	later["widget "+extra] = []string{"https://example.com/" + extra}
	if err := later.check(data, false); err != nil {
		return fmt.Errorf("after a write and a second start: %w", err)
	}
	return nil
}

func (s *site) addWidget(name string) error {
	token, err := s.logInAdmin()
	if err != nil {
		return err
	}
	got := s.call("POST", "/api/v1/widgets", token, "name", name, "info_url", "https://example.com/"+name, "deadline", "2999-12-31")
	if got.status == http.StatusServiceUnavailable { // of a slow disk: it may have taken effect
		got = s.repeat("PUT", "/api/v1/widgets/"+name, token, "info_url", "https://example.com/"+name, "deadline", "2999-12-31")
	}
	if got.status != 201 && got.status != 200 {
		return fmt.Errorf("a write after the power cut returns %d %s", got.status, got.body)
	}
	return nil
}

// compare returns an error unless each subject has a state that it may have.
func (k knowledge) compare(s *site) error {
	admin, err := s.logInAdmin()
	if err != nil {
		return err
	}
	found := map[string]string{"account " + adminEmail: accountActive}
	err = errors.Join(s.addWidgets(admin, found), s.addAccounts(admin, found), s.addKey(found))
	for subject := range k {
		if token, isToken := strings.CutPrefix(subject, "token "); isToken {
			found[subject] = s.tokenState(token)
		}
	}
	known := maps.Clone(k)
	known["account "+adminEmail] = []string{accountActive}
	delete(known, "clock")
	for subject := range found {
		known[subject] = known.of(subject) // a subject that no write has made must not exist
	}
	for _, subject := range slices.Sorted(maps.Keys(known)) {
		states := known[subject]
		isAnyKey := subject == "key" && slices.Contains(states, anyKey)
		if !isAnyKey && !slices.Contains(states, found[subject]) {
			err = errors.Join(err, fmt.Errorf("%s is %q, want one of %q", shortened(subject), found[subject], states))
		}
	}
	return err
}

// shortened returns a subject without most of a token.
func shortened(subject string) string {
	const most = 60
	if len(subject) > most {
		return subject[:most/2] + "…" + subject[len(subject)-most/2:]
	}
	return subject
}

// addWidgets adds the states of all widgets: their links. Each must be alone as it is in
// the list.
func (s *site) addWidgets(token string, found map[string]string) error {
	var names []string
	err := s.eachItem(token, "/api/v1/widgets", func(item listItem) error {
		names = append(names, item.Name)
		if found["widget "+item.Name] != "" {
			return fmt.Errorf("%s is twice in the list", item.Name)
		}
		found["widget "+item.Name] = item.InfoURL
		return nil
	})
	for i := 0; i < len(names); i += 1 + len(names)/4 {
		got := s.read("/api/v1/widgets/"+names[i], token)
		if link := got.text("info_url"); link != found["widget "+names[i]] {
			err = errors.Join(err, fmt.Errorf("%s has the link %q in the list, but GET returns %d %s", names[i], found["widget "+names[i]], got.status, got.body))
		}
	}
	return errors.Join(err, checkOrder(names))
}

// checkOrder returns an error unless the widgets of each writer are in order of creation.
func checkOrder(names []string) error {
	last := map[string][2]int{}
	for _, name := range names {
		var writer string
		var at [2]int
		if n, _ := fmt.Sscanf(strings.ReplaceAll(name, "-", " "), "%s %d %d", &writer, &at[0], &at[1]); n != 3 {
			continue // of the testdata
		}
		if before, found := last[writer]; found && slices.Compare(before[:], at[:]) >= 0 {
			return fmt.Errorf("not in order of creation: %q", names)
		}
		last[writer] = at
	}
	return nil
}

func (s *site) addAccounts(token string, found map[string]string) error {
	return s.eachItem(token, "/api/v1/users", func(item listItem) error {
		found["account "+item.Email] = accountActive
		if item.Disabled {
			found["account "+item.Email] = accountDisabled
		}
		return nil
	})
}

func (s *site) addKey(found map[string]string) error {
	keys, err := s.app.Keys.List(context.Background(), domain.Operator())
	if err == nil && len(keys) == 0 {
		err = errors.New("no key signs")
	}
	if err == nil {
		found["key"] = keys[0].ID
	}
	return err
}

// tokenState returns whether a token is accepted, or the response if it is another one.
func (s *site) tokenState(token string) string {
	switch got := s.read("/api/v1/auth/user", token); got.status {
	case 200:
		return tokenAccepted
	case 401:
		return tokenEnded
	default:
		return fmt.Sprintf("%d %s", got.status, got.body)
	}
}

// listItem is a widget or an account in a list.
type listItem struct {
	Name     string `json:"name"`
	InfoURL  string `json:"info_url"`
	Email    string `json:"email"`
	Disabled bool   `json:"disabled"`
}

// eachItem calls f with every item of a list.
func (s *site) eachItem(token, path string, f func(listItem) error) error {
	for page := 1; ; page++ {
		got := s.read(fmt.Sprintf("%s?page=%d&per_page=100", path, page), token)
		var body struct {
			HasNext bool       `json:"has_next"`
			Total   int        `json:"total_items"`
			Items   []listItem `json:"items"`
		}
		if err := json.Unmarshal(got.body, &body); got.status != 200 || err != nil {
			return fmt.Errorf("GET %s returns %d %s", path, got.status, got.body)
		}
		for _, item := range body.Items {
			if err := f(item); err != nil {
				return err
			}
		}
		if !body.HasNext {
			if want := body.Total - (page-1)*100; len(body.Items) != want {
				return fmt.Errorf("the last page of %s has %d items, want %d", path, len(body.Items), want)
			}
			return nil
		}
	}
}
