package domain_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/widgetd/widgetd/domain"
)

func TestNewWidgetBelongsToItsCreator(t *testing.T) {
	t.Parallel()
	owner := domain.User{PublicID: domain.UUID{1}, Email: must(domain.ParseEmail("ada@example.com")), PasswordHash: "hash", Admin: true}
	want := domain.Widget{
		Name:      must(domain.ParseWidgetName("rocket")),
		InfoURL:   must(domain.ParseInfoURL("https://example.com/rocket")),
		Deadline:  domain.RestoreDeadline(moment("2027-05-13T23:59:59Z")),
		CreatedAt: time.Date(2026, 11, 22, 6, 55, 7, 123e6, time.UTC),
		Owner:     domain.Owner{PublicID: owner.PublicID, Email: owner.Email},
	}
	got := domain.NewWidget(want.Name, want.InfoURL, want.Deadline, owner, moment("2026-11-22T08:55:07.123999999+02:00"))
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

const badWidgetName = "A widget's name is 1 to 100 of the lowercase letters a-z, digits, hyphens and underscores"

func TestParseWidgetNameAccepts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a", "0", "-", "_", "first-widget", "first_widget", "--", "42", "abcdefghijklmnopqrstuvwxyz0123456789-_",
		strings.Repeat("a", 100),
	} {
		name, err := domain.ParseWidgetName(text)
		if err != nil || name.String() != text {
			t.Errorf("%q: got %q, %v", text, name, err)
		}
	}
}

func TestParseWidgetNameRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"101 bytes":          strings.Repeat("a", 101),
		"uppercase":          "Widget",
		"dot":                "first.widget",
		"slash":              "first/widget",
		"backslash":          `first\widget`,
		"parent folder":      "../x",
		"escape":             "a%2fb",
		"question mark":      "a?b",
		"other script":       "名前",
		"other lowercase":    "é",
		"other digits":       "١",
		"Kelvin sign":        "\u212a",
		"NUL":                "a\x00",
		"space":              "first widget",
		"space around":       " a ",
		"newline":            "a\n",
		"invalid UTF-8":      "a\xff",
		"zero-width space":   "a\u200b",
		"before and after a": "`{",
		"before and after 0": "/:",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := domain.ParseWidgetName(text)
			wantInvalid(t, err, badWidgetName)
			if got != (domain.WidgetName{}) {
				t.Errorf("a refused name still made %q", got)
			}
		})
	}
}

func FuzzParseWidgetName(f *testing.F) {
	for _, seed := range []string{"", "first-widget", "a_b-0", "Widget", "../x", "名前", "a\x00", "a\xff", " ", strings.Repeat("a", 101)} {
		f.Add(seed)
	}
	allowed := regexp.MustCompile(`\A[a-z0-9_-]{1,100}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		name, err := domain.ParseWidgetName(s)
		if accepted := err == nil; accepted != allowed.MatchString(s) {
			t.Errorf("accepted is %v", accepted)
		}
		if err == nil && name.String() != s {
			t.Errorf("String() = %q", name)
		}
	})
}

func TestParseInfoURLAccepts(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"http":                "http://example.com",
		"https":               "https://example.com/",
		"uppercase scheme":    "HTTPS://example.com",
		"single label":        "http://localhost",
		"all parts":           "https://example.com:8443/a/b;c?d=e&f=%20#g",
		"empty query":         "http://example.com?",
		"empty port":          "http://example.com:/",
		"port 0":              "http://example.com:0",
		"port 65535":          "http://example.com:65535",
		"userinfo":            "https://ada:secret@example.com/",
		"IPv4 host":           "http://127.0.0.1:8080/",
		"IPv6 host":           "http://[::1]/",
		"IPv6 host and port":  "http://[2001:db8::1]:8080/",
		"dots in the path":    "http://example.com/../x",
		"another script":      "https://例え.jp/名前?鍵=値",
		"internationalized":   "https://xn--r8jz45g.jp/",
		"at sign in the path": "https://example.com/@ada",
		"2048 bytes":          "https://example.com/" + strings.Repeat("a", 2028),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := domain.ParseInfoURL(text)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != text {
				t.Errorf("String() = %q, want %q", got, text)
			}
		})
	}
}

func TestParseInfoURLRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no scheme":                   "example.com",
		"no scheme, with port":        "example.com:80",
		"relative path":               "/rocket",
		"scheme-relative":             "//example.com/",
		"only a scheme":               "http:",
		"no slashes":                  "http:example.com",
		"one slash":                   "http:/example.com",
		"three slashes":               "http:///example.com",
		"no host":                     "http://",
		"port without host":           "http://:80",
		"userinfo without host":       "http://ada@/",
		"query without host":          "http://?a=b",
		"empty brackets":              "http://[]/",
		"open bracket":                "http://[::1/",
		"ftp":                         "ftp://example.com/",
		"javascript":                  "javascript:alert(1)",
		"javascript like a host":      "javascript://example.com/%0aalert(1)",
		"data":                        "data:text/html,x",
		"file":                        "file:///etc/passwd",
		"mailto":                      "mailto:ada@example.com",
		"httpx":                       "httpx://example.com",
		"colon before scheme":         "://example.com",
		"port 65536":                  "http://example.com:65536",
		"port of many digits":         "http://example.com:99999999999999999999",
		"port with a sign":            "http://example.com:+80",
		"port in words":               "http://example.com:http",
		"bad escape":                  "http://example.com/%zz",
		"space before":                " http://example.com",
		"space after":                 "http://example.com ",
		"space in the host":           "http://exam ple.com",
		"space in the path":           "http://example.com/a b",
		"no-break space":              "http://example.com/a\u00a0b",
		"tab":                         "http://example.com/\t",
		"newline":                     "http://example.com/\r\nX: y",
		"NUL":                         "http://example.com/\x00",
		"DEL":                         "http://example.com/\x7f",
		"invalid UTF-8":               "http://example.com/\xff",
		"bidi override":               "http://example.com/\u202emoc",
		"zero-width space":            "http://exam\u200bple.com/",
		"quote that ends an href":     `http://example.com/"onclick="x`,
		"markup":                      "http://example.com/<script>",
		"backslash":                   `http://example.com\@evil.example/`,
		"braces, a bar or a backtick": "http://example.com/{a}|`b`",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := domain.ParseInfoURL(text)
			wantInvalid(t, err, "Not an absolute http or https URL with a host")
			if got != (domain.InfoURL{}) {
				t.Errorf("a refused URL still made %q", got)
			}
		})
	}
}

func TestParseInfoURLSaysWhenItIsTooLong(t *testing.T) {
	t.Parallel()
	_, err := domain.ParseInfoURL("https://example.com/" + strings.Repeat("a", 2029))
	wantInvalid(t, err, "A URL may be at most 2048 bytes long")
}

func FuzzParseInfoURL(f *testing.F) {
	for _, seed := range []string{
		"", "http://example.com", "HTTPS://ada:pw@example.com:8443/a?b=c#d", "http://[::1]:80/", "http://:80", "http://",
		"http:example.com", "//example.com", "javascript:alert(1)", "http://example.com:65536", "http://例え.jp/名前",
		"http://example.com/%zz", "http://a b/", "http://[fe80::1%25eth0]/", "http://example.com\\@b", "http://x/\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		accepted, err := domain.ParseInfoURL(s)
		if err != nil {
			return
		}
		u, err := url.Parse(s)
		switch {
		case err != nil:
			t.Fatal(err)
		case !u.IsAbs() || u.Scheme != "http" && u.Scheme != "https":
			t.Errorf("scheme %q", u.Scheme)
		case u.Hostname() == "":
			t.Errorf("no host in %q", u.Host)
		case len(s) > domain.MaxInfoURLBytes || !utf8.ValidString(s):
			t.Error("too long or not UTF-8")
		case strings.ContainsAny(s, "\x00\r\n\t <>\"\\"):
			t.Error("holds what could end a header or an attribute")
		case accepted.String() != s:
			t.Errorf("String() = %q", accepted)
		}
	})
}

func TestNewDeadlineComparesDatesInUTC(t *testing.T) {
	t.Parallel()
	const today = "2026-11-22T18:00:00Z"
	for name, test := range map[string]struct {
		at, now string
		past    string // the deadline's date if it is refused
	}{
		"later today":               {"2026-11-22T23:59:59Z", today, ""},
		"this moment":               {today, today, ""},
		"earlier today":             {"2026-11-22T00:00:00Z", today, ""},
		"tomorrow":                  {"2026-11-23T00:00:00Z", today, ""},
		"end of yesterday":          {"2026-11-21T23:59:59.999999999Z", today, "2026-11-21"},
		"last year":                 {"2025-12-31T00:00:00Z", today, "2025-12-31"},
		"year 1":                    {"0001-01-01T00:00:00Z", today, "0001-01-01"},
		"year 0":                    {"0000-01-01T00:00:00Z", today, "0000-01-01"},
		"east: yesterday in UTC":    {"2026-11-22T01:00:00+02:00", today, "2026-11-21"},
		"east: today in UTC":        {"2026-11-23T01:00:00+02:00", today, ""},
		"west: today in UTC":        {"2026-11-21T23:00:00-02:00", today, ""},
		"west: yesterday in UTC":    {"2026-11-21T21:59:59-02:00", today, "2026-11-21"},
		"far east":                  {"2026-11-22T13:59:59+14:00", today, "2026-11-21"},
		"far west":                  {"2026-11-21T12:00:00-12:00", today, ""},
		"last moment of 9999":       {"9999-12-31T23:59:59.999Z", today, ""},
		"now in the east, same day": {"2026-11-21T00:00:00Z", "2026-11-22T01:00:00+02:00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := moment(test.at)
			deadline, err := domain.NewDeadline(at, moment(test.now))
			if test.past != "" {
				wantInvalid(t, err, "The deadline "+test.past+" is past: today is 2026-11-22 (UTC)")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := at.UTC().Truncate(time.Millisecond); deadline.Time() != want {
				t.Errorf("is %v, want %v", deadline.Time(), want)
			}
		})
	}
	t.Run("now in the west, a day behind UTC", func(t *testing.T) {
		t.Parallel()
		_, err := domain.NewDeadline(moment("2026-11-22T23:59:59Z"), moment("2026-11-22T23:00:00-05:00"))
		wantInvalid(t, err, "The deadline 2026-11-22 is past: today is 2026-11-23 (UTC)")
	})
}

func TestNewDeadlineKeepsToYearsThatRFC3339CanWrite(t *testing.T) {
	t.Parallel()
	now := moment("2026-11-22T18:00:00Z")
	west, east := time.FixedZone("", -3600), time.FixedZone("", 3600)
	for _, at := range []time.Time{
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 30, 0, 0, west),
		time.Date(290000000000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		_, err := domain.NewDeadline(at, now)
		wantInvalid(t, err, "A deadline cannot be after the year 9999")
	}
	if _, err := domain.NewDeadline(time.Date(10000, 1, 1, 0, 30, 0, 0, east), now); err != nil {
		t.Errorf("still 9999 in UTC: %v", err)
	}
	_, err := domain.NewDeadline(time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC), now)
	wantInvalid(t, err, "The deadline -0001-12-31 is past: today is 2026-11-22 (UTC)")
}

func TestRestoreDeadlineTakesThePastInUTCMilliseconds(t *testing.T) {
	t.Parallel()
	got := domain.RestoreDeadline(moment("2001-02-03T06:05:06.789999999+02:00")).Time()
	if want := time.Date(2001, 2, 3, 4, 5, 6, 789e6, time.UTC); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEndOfDayIsItsLastSecondInUTC(t *testing.T) {
	t.Parallel()
	if got, want := domain.EndOfDay(2028, time.February, 29), moment("2028-02-29T23:59:59Z"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDeadlineCountsDownToZero(t *testing.T) {
	t.Parallel()
	const due = "2027-05-13T12:00:00.500Z"
	for name, test := range map[string]struct {
		due, now string
		left     int64
		passed   bool
	}{
		"at the moment":                  {due, due, 0, true},
		"a nanosecond before":            {due, "2027-05-13T12:00:00.499999999Z", 0, false},
		"a nanosecond after":             {due, "2027-05-13T12:00:00.500000001Z", 0, true},
		"a year after":                   {due, "2028-05-13T12:00:00Z", 0, true},
		"exactly a second":               {due, "2027-05-13T11:59:59.500Z", 1, false},
		"not quite a second":             {due, "2027-05-13T11:59:59.500000001Z", 0, false},
		"a little more than a second":    {due, "2027-05-13T11:59:59.499999999Z", 1, false},
		"borrows from the seconds":       {due, "2027-05-13T11:59:58.900Z", 1, false},
		"a day":                          {due, "2027-05-12T12:00:00.500Z", 86400, false},
		"now elsewhere":                  {due, "2027-05-13T13:59:50.500+02:00", 10, false},
		"across the epoch, borrowing":    {"1970-01-01T00:00:01Z", "1969-12-31T23:59:59.500Z", 1, false},
		"beyond 292 years":               {"9999-12-31T23:59:59Z", "2026-11-22T00:00:00Z", 251606995199, false},
		"beyond 292 years, borrowing":    {"9999-12-31T23:59:59Z", "2026-11-22T00:00:00.001Z", 251606995198, false},
		"passed more than 292 years ago": {"1500-01-01T00:00:00Z", "2026-11-22T00:00:00Z", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deadline, now := domain.RestoreDeadline(moment(test.due)), moment(test.now)
			if got := deadline.SecondsLeft(now); got != test.left {
				t.Errorf("%d seconds left, want %d", got, test.left)
			}
			if got := deadline.PassedAt(now); got != test.passed {
				t.Errorf("passed is %v", got)
			}
		})
	}
}

func TestRestoredTextsAreNotLookedAt(t *testing.T) {
	t.Parallel()
	const text = "no name, no link and no address"
	if got := domain.RestoreWidgetName(text).String(); got != text {
		t.Errorf("the name is %q", got)
	}
	if got := domain.RestoreInfoURL(text).String(); got != text {
		t.Errorf("the URL is %q", got)
	}
	if got := domain.RestoreEmail(text).String(); got != text {
		t.Errorf("the address is %q", got)
	}
}
