package domain_test

import (
	"bufio"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const notWebURL = "Not an absolute http or https URL with a host"

// TestParseInfoURLAgreesWithBrowsers reads testdata/hrefs.tsv, which the script
// hrefs.mjs wrote. Every href of an http or https URL is accepted, unless a percent
// sign in it begins no escape. What a browser cannot read is refused.
func TestParseInfoURLAgreesWithBrowsers(t *testing.T) {
	t.Parallel()
	file := sample.Must(os.Open("testdata/hrefs.tsv"))
	defer file.Close()
	accepted, refused := 0, 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		quotedInput, quotedHref, _ := strings.Cut(lines.Text(), "\t")
		input, href := sample.Must(strconv.Unquote(quotedInput)), sample.Must(strconv.Unquote(quotedHref))
		if !strings.HasPrefix(href, "http://") && !strings.HasPrefix(href, "https://") {
			refused++
			if _, err := domain.ParseInfoURL(input); err == nil {
				t.Errorf("%q was accepted", input)
			}
			continue
		}
		accepted++
		_, err := domain.ParseInfoURL(href)
		if badEscape := hasBadEscape(href); badEscape != (err != nil) {
			t.Errorf("%q, the href of %q: error %v", href, input, err)
		}
	}
	if accepted < 1000 || refused < 300 {
		t.Errorf("only %d hrefs and %d refused inputs were tested", accepted, refused)
	}
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// hasBadEscape reports whether a percent sign in s begins no escape.
func hasBadEscape(s string) bool {
	return strings.Count(s, "%") > len(escape.FindAllString(s, -1))
}

func TestParseInfoURLAccepts(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"http":                       "http://example.com",
		"https":                      "https://example.com/",
		"uppercase scheme":           "HTTPS://example.com",
		"single label":               "http://localhost",
		"all parts":                  "https://example.com:8443/a/b;c?d=e&f=%20#g",
		"empty query":                "http://example.com?",
		"empty port":                 "http://example.com:/",
		"port 0":                     "http://example.com:0",
		"port 65535":                 "http://example.com:65535",
		"userinfo":                   "https://ada:secret@example.com/",
		"two at signs":               "https://ada@home@example.com/",
		"IPv4 host":                  "http://127.0.0.1:8080/",
		"short IPv4 host":            "http://127.1/",
		"IPv6 host":                  "http://[::1]/",
		"IPv6 host and port":         "http://[2001:db8::1]:8080/",
		"dots in the path":           "http://example.com/../x",
		"another script":             "https://例え.jp/名前?鍵=値",
		"escapes in the host":        "https://%E4%BE%8B.jp/",
		"internationalized":          "https://xn--r8jz45g.jp/",
		"emoji in the host":          "https://😀.example/",
		"at sign in the path":        "https://example.com/@ada",
		"bar in the path":            "https://example.com/a|b",
		"circumflex in the path":     "https://example.com/a^b",
		"brackets in the path":       "https://example.com/a[1]",
		"query as browsers leave it": "https://example.com/?a={b}|^`\\",
		"fragment":                   "https://example.com/#a={b}|^\\#[c]",
		"Persian, with a non-joiner": "https://example.com/نامه\u200cها?q=می\u200cخواهم#کتاب\u200cها",
		"Hindi, with a joiner":       "https://example.com/क्\u200dष",
		"emoji, with a joiner":       "https://example.com/👩\u200d💻?👨\u200d👩\u200d👧",
		"flag of tag characters":     "https://example.com/🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
		"variation selector":         "https://example.com/❤\ufe0f",
		"soft hyphen":                "https://example.com/a\u00adb",
		"emoji of a later Unicode":   "https://example.com/\U0001fae9",
		"non-joiner in the host":     "https://نامه\u200cای.com/",
		"joiner in the host":         "https://क्\u200dष.com/",
		"variation selector, host":   "https://❤\ufe0f.ws/",
		"mark in the host":           "https://cafe\u0301.example/",
		"underscore in the host":     "https://_dmarc.a_b.example/",
		"uppercase and a final stop": "https://EXAMPLE.Com./",
		"IPv4 with a final stop":     "https://127.0.0.1./",
		"hexadecimal IPv4":           "https://0X7F.0x0.1/",
		"octal IPv4":                 "https://0177.1/",
		"IPv4 in IPv6":               "https://[::FFFF:192.0.2.1]/",
		"A-label in uppercase":       "https://XN--BCHER-KVA.example/",
		"zeros before the port":      "https://example.com:000443/",
		"2048 bytes":                 "https://example.com/" + strings.Repeat("a", 2028),
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
	for name, test := range map[string]struct{ text, want string }{
		"no scheme":              {"example.com", notWebURL},
		"words":                  {"not a link", notWebURL},
		"no scheme, with port":   {"example.com:80", notWebURL},
		"relative path":          {"/rocket", notWebURL},
		"scheme-relative":        {"//example.com/", notWebURL},
		"only a scheme":          {"http:", notWebURL},
		"no slashes":             {"http:example.com", notWebURL},
		"one slash":              {"http:/example.com", notWebURL},
		"three slashes":          {"http:///example.com", notWebURL},
		"no host":                {"http://", notWebURL},
		"port without host":      {"http://:80", notWebURL},
		"userinfo without host":  {"http://ada@/", notWebURL},
		"query without host":     {"http://?a=b", notWebURL},
		"ftp":                    {"ftp://example.com/", notWebURL},
		"javascript":             {"javascript:alert(1)", notWebURL},
		"javascript like a host": {"javascript://example.com/%0aalert(1)", notWebURL},
		"data":                   {"data:text/html,x", notWebURL},
		"file":                   {"file:///etc/passwd", notWebURL},
		"mailto":                 {"mailto:ada@example.com", notWebURL},
		"httpx":                  {"httpx://example.com", notWebURL},
		"long s in the scheme":   {"http\u017f://example.com", notWebURL},
		"colon before scheme":    {"://example.com", notWebURL},

		"empty brackets":        {"http://[]/", "The URL's host is not an IPv6 address in brackets: []"},
		"open bracket":          {"http://[::1/", "The URL's host is not an IPv6 address in brackets: [::1"},
		"two brackets":          {"http://[[::1]]/", "The URL's host is not an IPv6 address in brackets: [[::1]]"},
		"IPv6 zone":             {"http://[fe80::1%25eth0]/", "The URL's host is not an IPv6 address in brackets: [fe80::1%25eth0]"},
		"IPv4 in brackets":      {"http://[127.0.0.1]/", "The URL's host is not an IPv6 address in brackets: [127.0.0.1]"},
		"IPv4 out of range":     {"http://1.2.3.256/", "The URL's host ends in a number and is not an IPv4 address: 1.2.3.256"},
		"number as last label":  {"http://example.1/", "The URL's host ends in a number and is not an IPv4 address: example.1"},
		"port 65536":            {"http://example.com:65536", `The URL's port "65536" is not a number from 0 to 65535`},
		"port of many digits":   {"http://example.com:99999999999999999999", `The URL's port "99999999999999999999" is not a number from 0 to 65535`},
		"port with a sign":      {"http://example.com:+80", `The URL's port "+80" is not a number from 0 to 65535`},
		"port in words":         {"http://example.com:http", `The URL's port "http" is not a number from 0 to 65535`},
		"two ports":             {"http://example.com:80:80", `The URL's port "80:80" is not a number from 0 to 65535`},
		"text after brackets":   {"http://[::1]x", `The URL's port "x" is not a number from 0 to 65535`},
		"escape of a letter":    {"http://ex%61mple.com/", "The URL has the character % (U+0025) at byte 10: a host cannot have it"},
		"bad escape":            {"http://example.com/%zz", "The URL has the character % (U+0025) at byte 20: it begins no escape, write it as %25"},
		"bad escape, query":     {"http://example.com/?a=100%", "The URL has the character % (U+0025) at byte 26: it begins no escape, write it as %25"},
		"bad escape, fragment":  {"http://example.com/#%1", "The URL has the character % (U+0025) at byte 21: it begins no escape, write it as %25"},
		"space before":          {" http://example.com", "The URL has a space (U+0020) at byte 1: a URL cannot have it as it is"},
		"space after":           {"http://example.com ", "The URL has a space (U+0020) at byte 19: a URL cannot have it as it is"},
		"space in the host":     {"http://exam ple.com", "The URL has a space (U+0020) at byte 12: a URL cannot have it as it is"},
		"space in the path":     {"http://example.com/a b", "The URL has a space (U+0020) at byte 21: a URL cannot have it as it is"},
		"no-break space":        {"http://example.com/a\u00a0b", "The URL has a space (U+00A0) at byte 21: a URL cannot have it as it is"},
		"tab":                   {"http://example.com/\t", "The URL has a control character (U+0009) at byte 20: a URL cannot have it as it is"},
		"newline":               {"http://example.com/\r\nX: y", "The URL has a control character (U+000D) at byte 20: a URL cannot have it as it is"},
		"NUL":                   {"http://example.com/\x00", "The URL has a control character (U+0000) at byte 20: a URL cannot have it as it is"},
		"DEL":                   {"http://example.com/\x7f", "The URL has a control character (U+007F) at byte 20: a URL cannot have it as it is"},
		"C1 control":            {"http://example.com/\u0085", "The URL has a control character (U+0085) at byte 20: a URL cannot have it as it is"},
		"invalid UTF-8":         {"http://example.com/\xff", "The URL is not UTF-8 at byte 20"},
		"bidi override":         {"http://example.com/\u202emoc", "The URL has a bidirectional control (U+202E) at byte 20: a URL cannot have it as it is"},
		"bidi isolate":          {"http://example.com/?\u2066moc", "The URL has a bidirectional control (U+2066) at byte 21: a URL cannot have it as it is"},
		"right-to-left mark":    {"http://example.com/#\u200f", "The URL has a bidirectional control (U+200F) at byte 21: a URL cannot have it as it is"},
		"Arabic letter mark":    {"http://example.com/\u061c", "The URL has a bidirectional control (U+061C) at byte 20: a URL cannot have it as it is"},
		"zero-width space":      {"http://exam\u200bple.com/", "The URL has a zero-width space (U+200B) at byte 12: a URL cannot have it as it is"},
		"byte order mark first": {"\ufeffhttp://example.com/", "The URL has a zero-width no-break space (U+FEFF) at byte 1: a URL cannot have it as it is"},
		"joiner between emoji":  {"http://👩\u200d💻.example/", "The URL has a zero-width joiner (U+200D) at byte 12: a host cannot have it"},
		"non-joiner first":      {"http://\u200ca.example/", "The URL has a zero-width non-joiner (U+200C) at byte 8: a host cannot have it"},
		"soft hyphen as host":   {"http://\u00ad/", "The URL has an invisible character (U+00AD) at byte 8: a host cannot have it"},
		"full-width at sign":    {"http://example.com＠evil.example/", "The URL has the character ＠ (U+FF20) at byte 19: a host cannot have it"},
		"bidi in the host":      {"http://example\u202emoc.com/", "The URL has a bidirectional control (U+202E) at byte 15: a URL cannot have it as it is"},
		"escaped bidi, host":    {"http://a%E2%80%AEb/", "The URL has a bidirectional control (U+202E) at byte 9: a host cannot have it"},
		"escaped zero-width":    {"http://a%e2%80%8Bb/", "The URL has a zero-width space (U+200B) at byte 9: a host cannot have it"},
		"word joiner, host":     {"http://a\u2060b/", "The URL has an invisible character (U+2060) at byte 9: a host cannot have it"},
		"Hangul filler":         {"http://exam\u3164ple.com/", "The URL has an invisible character (U+3164) at byte 12: a host cannot have it"},
		"escaped filler":        {"http://exam%EF%BE%A0ple.com/", "The URL has an invisible character (U+FFA0) at byte 12: a host cannot have it"},
		"grapheme joiner":       {"http://a\u034fb/", "The URL has an invisible character (U+034F) at byte 9: a host cannot have it"},
		"Khmer blank vowel":     {"http://a\u17b4b/", "The URL has an invisible character (U+17B4) at byte 9: a host cannot have it"},
		"Braille blank":         {"http://a\u2800b/", "The URL has an invisible character (U+2800) at byte 9: a host cannot have it"},
		"object replacement":    {"http://a\ufffcb/", "The URL has an invisible character (U+FFFC) at byte 9: a host cannot have it"},
		"sign with a slash":     {"http://evil.c℀.example.com/", "The URL has the character ℀ (U+2100) at byte 14: a host cannot have it"},
		"sign with a full stop": {"http://example․com/", "The URL has the character ․ (U+2024) at byte 15: a host cannot have it"},
		"number with a stop":    {"http://⒈com/", "The URL has the character ⒈ (U+2488) at byte 8: a host cannot have it"},
		"small at sign":         {"http://example.com﹫evil/", "The URL has the character ﹫ (U+FE6B) at byte 19: a host cannot have it"},
		"mark first":            {"http://\u0301a.com/", "The URL has the character \u0301 (U+0301) at byte 8: a host cannot have it"},
		"mark after a stop":     {"http://a。\u0301b/", "The URL has the character \u0301 (U+0301) at byte 12: a host cannot have it"},
		"number beyond 64 bits": {"http://0xffffffffffffffffffffff/", "The URL's host ends in a number and is not an IPv4 address: 0xffffffffffffffffffffff"},
		"IPv4 and a long one":   {"http://1.99999999999999999999999/", "The URL's host ends in a number and is not an IPv4 address: 1.99999999999999999999999"},
		"bar in the host":       {"http://a|b/", "The URL has the character | (U+007C) at byte 9: a host cannot have it"},
		"markup in the host":    {"http://a<b>/", "The URL has the character < (U+003C) at byte 9: a host cannot have it"},
		"bar in the userinfo":   {"http://a|b@example.com/", "The URL has the character | (U+007C) at byte 9: write it as %7C"},
		"quote ending an href":  {`http://example.com/"onclick="x`, `The URL has the character " (U+0022) at byte 20: write it as %22`},
		"quote in the query":    {`http://example.com?a="`, `The URL has the character " (U+0022) at byte 22: write it as %22`},
		"markup":                {"http://example.com/<script>", "The URL has the character < (U+003C) at byte 20: write it as %3C"},
		"markup in a fragment":  {"http://example.com/a#b>", "The URL has the character > (U+003E) at byte 23: write it as %3E"},
		"backslash":             {`http://example.com\@evil.example/`, `The URL has the character \ (U+005C) at byte 19: write it as %5C`},
		"brace in the path":     {"http://example.com/{a}", "The URL has the character { (U+007B) at byte 20: write it as %7B"},
		"backtick in the path":  {"http://example.com/`a`?b", "The URL has the character ` (U+0060) at byte 20: write it as %60"},
		"backtick, fragment":    {"http://example.com/?a#`b`", "The URL has the character ` (U+0060) at byte 23: write it as %60"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := domain.ParseInfoURL(test.text)
			wantInvalid(t, err, test.want)
			if got != (domain.InfoURL{}) {
				t.Errorf("the result is %q, want the zero value", got)
			}
		})
	}
}

func TestParseInfoURLRefusesMoreThan2048Bytes(t *testing.T) {
	t.Parallel()
	_, err := domain.ParseInfoURL("https://example.com/" + strings.Repeat("a", 2029))
	wantInvalid(t, err, "A URL may be at most 2048 bytes long")
}

func FuzzParseInfoURL(f *testing.F) {
	for _, seed := range []string{
		"", "http://example.com", "HTTPS://ada:pw@example.com:8443/a?b=c#d", "http://[::1]:80/", "http://:80", "http://",
		"http:example.com", "//example.com", "javascript:alert(1)", "http://example.com:65536", "http://例え.jp/名前",
		"http://example.com/%zz", "http://a b/", "http://[fe80::1%25eth0]/", "http://example.com\\@b", "http://x/\xff",
		"http://a.1/", "http://0x7f.1/", "http://h/?{|}^`\\", "http://%E4%BE%8B.jp/", "http://نامه\u200cای.com/", "http://＠/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		accepted, err := domain.ParseInfoURL(s)
		if err != nil {
			return
		}
		scheme, rest, absolute := strings.Cut(s, "://")
		scheme = strings.ToLower(scheme)
		switch {
		case !absolute || scheme != "http" && scheme != "https":
			t.Errorf("scheme %q", scheme)
		case rest == "" || strings.ContainsAny(rest[:1], "/?#\\"):
			t.Error("no host")
		case len(s) > domain.MaxInfoURLBytes || !utf8.ValidString(s):
			t.Error("too long or not UTF-8")
		case strings.ContainsAny(s, "\x00\r\n\t <>\u200b\u202e"):
			t.Error("contains a character that could end a header or hide a part")
		case hasBadEscape(s):
			t.Error("a percent sign begins no escape")
		case accepted.String() != s:
			t.Errorf("String() = %q", accepted)
		}
	})
}

func TestRedactedURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://example.com/@a?b=c@d#e@f":    "https://example.com/@a?b=c@d#e@f",
		"http://ada@example.com":              "http://***@example.com",
		"https://ada:pass:word@example.com/p": "https://***@example.com/p",
		"https://ada:p%40ss@[::1]:80/?q":      "https://***@[::1]:80/?q",
		"https://a@b@example.com/":            "https://***@example.com/",
	} {
		if got := domain.RestoreInfoURL(text).Redacted(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
