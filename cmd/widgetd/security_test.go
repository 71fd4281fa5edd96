package main_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// SECURITY.md names tests for each of the ten risks. Every one of them must exist.
func TestSecurityDocumentNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	tests := testsUnder(t, root)
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| API(\d+) .*\|([^|]*)\|$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) != 10 {
		t.Errorf("%d risks, want 10", len(rows))
	}
	for _, row := range rows {
		named := regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[2], -1)
		if len(named) == 0 {
			t.Errorf("API%s has no test", row[1])
		}
		for _, name := range named {
			if !tests[name[1]] {
				t.Errorf("API%s names %s, which does not exist", row[1], name[1])
			}
		}
	}
}

// docs/bugs-found.md names the tests that were written for bugs. Every one of them must exist.
func TestListOfBugsNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	tests := testsUnder(t, root)
	text, err := os.ReadFile(filepath.Join(root, "docs", "bugs-found.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(named) == 0 {
		t.Error("the list names no test")
	}
	for _, name := range named {
		if !tests[name[1]] {
			t.Errorf("the list names %s, which does not exist", name[1])
		}
	}
}

// testsUnder returns the names of all tests and fuzz targets below a folder.
func testsUnder(t *testing.T, root string) map[string]bool {
	t.Helper()
	tests, declared := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, name := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[name[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

func TestLinksAreNeverFetched(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{})
	go func() {
		if conn, err := ln.Accept(); err == nil {
			conn.Close()
			close(called)
		}
	}()
	s := start(t, folder(t), asAdmin...)
	admin := s.logIn(t, adminEmail, adminPassword)
	link := widgetFields().with("info_url", "http://"+ln.Addr().String()+"/latest/meta-data")
	s.do(t, post("/widgets", admin, link.with("name", "trap"))).want(t, 201, "")
	s.do(t, put("/widgets/trap", admin, link)).want(t, 200, "")
	s.do(t, get("/widgets/trap", admin)).want(t, 200, "")
	s.do(t, get("/widgets", admin)).want(t, 200, "")
	s.stop() // so that no later call is missed
	ln.Close()
	if isClosed(called) {
		t.Error("the server connected to the address in a widget's link")
	}
}

func TestUnknownFieldsChangeNothing(t *testing.T) {
	t.Parallel()
	s := start(t, folder(t), asAdmin...)
	user := s.do(t, post("/auth/register", "", fields{
		"email": userEmail, "password": userPassword, "admin": "true", "public_id": "00000000-0000-4000-8000-000000000000",
		"sub": "1", "registered_on": "01/01/01",
	})).text("access_token")
	account := s.do(t, get("/auth/user", user))
	if account.json()["admin"] != false || strings.HasPrefix(account.text("public_id"), "00000000") || strings.Contains(account.body, "01/01/01") {
		t.Errorf("the account: %s", account.body)
	}
	s.do(t, post("/widgets", user, widgetFields().with("name", "mine"))).want(t, 403, "")
	admin := s.logIn(t, adminEmail, adminPassword)
	s.do(t, post("/widgets", admin, widgetFields().with("name", "one").with("owner", userEmail).with("created_at", "01/01/01"))).want(t, 201, "")
	s.do(t, put("/widgets/one", admin, widgetFields().with("name", "two").with("owner", userEmail))).want(t, 200, "")
	if one := s.do(t, get("/widgets/one", admin)); one.text("name") != "one" || strings.Contains(one.body, userEmail) || strings.Contains(one.body, "01/01/01") {
		t.Errorf("the widget: %s", one.body)
	}
}
