package main_test

import (
	"maps"
	"path/filepath"
	"testing"
)

// The users of these tests.
const (
	adminEmail    = "Grace.Hopper@example.com"
	adminPassword = "nanoseconds of wire"
	userEmail     = "ada@example.com"
	userPassword  = " pässword with spaces "
)

// asAdmin are the settings that create the administrator.
var asAdmin = []string{"WIDGETD_ADMIN_EMAIL=" + adminEmail, "WIDGETD_ADMIN_PASSWORD=" + adminPassword}

// folder returns the path of a data folder that does not exist.
func folder(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

// logIn returns a new token.
func (s *server) logIn(t *testing.T, email, password string) string {
	t.Helper()
	res := s.do(t, post("/auth/login", "", fields{"email": email, "password": password}))
	res.want(t, 200, "")
	return res.text("access_token")
}

// register creates an account and returns its first token.
func (s *server) register(t *testing.T, email, password string) string {
	t.Helper()
	res := s.do(t, post("/auth/register", "", fields{"email": email, "password": password}))
	res.want(t, 201, "")
	return res.text("access_token")
}

// widgetFields returns valid fields of a widget.
func widgetFields() fields {
	return fields{"info_url": "https://example.com/", "deadline": "2999-12-31"}
}

// with returns a copy with another value of one field. The value "" removes it.
func (f fields) with(name, value string) fields {
	f = maps.Clone(f)
	f[name] = value
	if value == "" {
		delete(f, name)
	}
	return f
}
