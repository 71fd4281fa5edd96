package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
	"github.com/gofiber/fiber/v2/middleware/logger"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/gofiber/fiber/v2/middleware/requestid"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"go.etcd.io/bbolt"
)

// usualService is a service as most authors would write it with the libraries of the
// program: the middleware of Fiber, golang-jwt, encoding/json, and bbolt for the
// logged-out tokens and the widgets. It answers the get of a widget as the program does:
// the same body, status and headers, and a log line with the same fields.
//
// The settings are those that the documentation of the libraries names for speed. The
// generator of request ids is the default one of Fiber, which is its fastest.
type usualService struct {
	Store  string // the file of bbolt; see writeUsualStore
	Log    string // the file of the access log
	Secret string // the key of the tokens

	db     *bbolt.DB
	parser *jwt.Parser
}

// usualWidget is the record of a widget, in JSON.
type usualWidget struct {
	Name      string     `json:"name"`
	InfoURL   string     `json:"info_url"`
	CreatedAt time.Time  `json:"created_at"`
	Deadline  time.Time  `json:"deadline"`
	Owner     usualOwner `json:"owner"`
	ETag      string     `json:"etag"`
}

type usualOwner struct {
	Email    string `json:"email"`
	PublicID string `json:"public_id"`
}

// usualResponse is the response to the get of a widget.
type usualResponse struct {
	Name             string     `json:"name"`
	InfoURL          string     `json:"info_url"`
	CreatedAt        string     `json:"created_at"`
	CreatedAtISO8601 string     `json:"created_at_iso8601"`
	CreatedAtRFC822  string     `json:"created_at_rfc822"`
	Deadline         string     `json:"deadline"`
	DeadlineISO8601  string     `json:"deadline_iso8601"`
	DeadlinePassed   bool       `json:"deadline_passed"`
	TimeRemaining    string     `json:"time_remaining"`
	Owner            usualOwner `json:"owner"`
	Link             string     `json:"link"`
}

type usualClaims struct {
	Admin bool `json:"admin"`
	jwt.RegisteredClaims
}

// Buckets of the store.
const (
	usualWidgets   = "widgets"   // name → usualWidget
	usualBlacklist = "blacklist" // token id → any value
)

var errUsualNotFound = errors.New("not found")

func (s *usualService) serve(ln net.Listener) error {
	log, err := os.OpenFile(s.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if s.db, err = bbolt.Open(s.Store, 0o600, &bbolt.Options{NoStatistics: true}); err != nil {
		return err
	}
	s.parser = jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired())
	app := fiber.New(fiber.Config{DisableStartupMessage: true, CaseSensitive: true, StrictRouting: true})
	app.Use(
		requestid.New(),
		logger.New(logger.Config{
			Output: log, TimeFormat: time.RFC3339Nano, TimeZone: "UTC",
			Format: `{"time":"${time}","level":"INFO","msg":"request","id":"${locals:requestid}","method":"${method}",` +
				`"route":"${route}","status":${status},"duration":"${latency}","client":"${ip}","user":"${locals:user}"}` + "\n",
		}),
		recover.New(),
		cors.New(),
	)
	app.Get(base+"/widgets/:name", s.authenticate, s.get)
	return app.Listener(ln)
}

// authenticate refuses a request without a valid token that is not logged out.
func (s *usualService) authenticate(c *fiber.Ctx) error {
	token, found := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
	if !found {
		return fiber.ErrUnauthorized
	}
	var claims usualClaims
	if _, err := s.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(s.Secret), nil }); err != nil {
		return fiber.ErrUnauthorized
	}
	var isLoggedOut bool
	err := s.db.View(func(tx *bbolt.Tx) error {
		isLoggedOut = tx.Bucket([]byte(usualBlacklist)).Get([]byte(claims.ID)) != nil
		return nil
	})
	if err != nil {
		return err
	}
	if isLoggedOut {
		return fiber.ErrUnauthorized
	}
	c.Locals("user", strings.Clone(claims.Subject))
	return c.Next()
}

// get answers with a widget.
func (s *usualService) get(c *fiber.Ctx) error {
	var widget usualWidget
	err := s.db.View(func(tx *bbolt.Tx) error {
		record := tx.Bucket([]byte(usualWidgets)).Get([]byte(c.Params("name")))
		if record == nil {
			return errUsualNotFound
		}
		return json.Unmarshal(record, &widget)
	})
	if errors.Is(err, errUsualNotFound) {
		return fiber.ErrNotFound
	}
	if err != nil {
		return err
	}
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("Referrer-Policy", "no-referrer")
	c.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	c.Set("Cache-Control", "no-store")
	c.Set("Pragma", "no-cache")
	c.Set("ETag", widget.ETag)
	return c.JSON(widget.response(time.Now()))
}

func (w *usualWidget) response(now time.Time) usualResponse {
	const short, iso8601, rfc822 = "01/02/06 03:04:05 PM UTC", "2006-01-02T15:04:05Z", "Mon, 02 Jan 2006 15:04:05 -0000"
	return usualResponse{
		Name: w.Name, InfoURL: w.InfoURL, Owner: w.Owner, Link: base + "/widgets/" + w.Name,
		CreatedAt:        w.CreatedAt.Format(short),
		CreatedAtISO8601: w.CreatedAt.Format(iso8601),
		CreatedAtRFC822:  w.CreatedAt.Format(rfc822),
		Deadline:         w.Deadline.Format(short),
		DeadlineISO8601:  w.Deadline.Format(iso8601),
		DeadlinePassed:   w.Deadline.Before(now),
		TimeRemaining:    usualRemaining(w.Deadline.Sub(now)),
	}
}

// usualRemaining returns a time in days, hours, minutes and seconds. The deadlines of the
// benchmark are years away, so no unit is left out.
func usualRemaining(left time.Duration) string {
	seconds := int64(left / time.Second)
	return fmt.Sprintf("%s %s %s %s", usualPlural(seconds/86400, "day"), usualPlural(seconds/3600%24, "hour"),
		usualPlural(seconds/60%60, "minute"), usualPlural(seconds%60, "second"))
}

func usualPlural(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// writeUsualStore creates the store of the usual service at path, with the given number of
// logged-out tokens.
func writeUsualStore(path string, widgets []usualWidget, tokens int) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		blacklist, err := tx.CreateBucket([]byte(usualBlacklist))
		if err != nil {
			return err
		}
		for range tokens {
			if err := blacklist.Put([]byte(uuid.NewString()), []byte("logged out")); err != nil {
				return err
			}
		}
		bucket, err := tx.CreateBucket([]byte(usualWidgets))
		if err != nil {
			return err
		}
		for _, widget := range widgets {
			record, err := json.Marshal(widget)
			if err != nil {
				return err
			}
			if err := bucket.Put([]byte(widget.Name), record); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, db.Close())
}
