package fiberhttp_test

import (
	"context"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

// writes are the requests with a body, and the fields that they need.
var writes = map[string]struct {
	request request
	fields  fields
	status  int
	missing string // the response to a body without fields
}{
	"register":      {register, credentials, 201, invalid("email", missing, "password", missing)},
	"log in":        {logIn, credentials, 200, invalid("email", missing, "password", missing)},
	"create widget": {createWidget, sprocket, 201, invalid("deadline", missing, "info_url", missing, "name", missing)},
	"put widget":    {putWidget, sprocket, 200, invalid("deadline", missing, "info_url", missing)},
}

func TestBodiesMayBeFormMultipartOrJSON(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, write := range writes {
		jsonType, json := write.fields.json()
		formType, form := write.fields.form()
		multipartType, multipart := write.fields.multipart()
		for kind, sent := range map[string]request{
			"JSON":                         write.request.sending(jsonType, json),
			"JSON with charset":            write.request.sending(jsonType+"; charset=utf-8", json),
			"JSON in capitals":             write.request.sending("Application/JSON;Charset=UTF-8", json),
			"JSON, not encoded":            write.request.sending(jsonType, json).with("Content-Encoding: identity"),
			"form":                         write.request.sending(formType, form),
			"form with charset":            write.request.sending(formType+"; charset=UTF-8", form),
			"multipart":                    write.request.sending(multipartType, multipart),
			"multipart with charset":       write.request.sending(multipartType+"; charset=utf-8", multipart),
			"multipart with charset first": write.request.sending(strings.Replace(multipartType, ";", "; charset=utf-8;", 1), multipart),
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				got := s.do(t, sent)
				got.want(t, write.status, got.body)
			})
		}
	}
	t.Cleanup(func() {
		for _, call := range append(s.auth.RegisterCalls(), s.auth.LogInCalls()...) {
			if call.Email != user.Email || call.Password.Reveal() != password {
				t.Errorf("the port got %q and %q", call.Email, call.Password.Reveal())
			}
		}
		for _, call := range append(s.widgets.CreateCalls(), s.widgets.PutCalls()...) {
			if call.Fields != sprocketFields || call.Claims != adminClaims {
				t.Errorf("the port got %+v", call)
			}
		}
	})
}

func TestBodiesOfOtherTypesAreUnsupported(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, write := range writes {
		_, json := write.fields.json()
		for kind, sent := range map[string]request{
			"plain text":          write.request.sending("text/plain", json),
			"XML":                 write.request.sending("application/xml", "<x/>"),
			"another JSON":        write.request.sending("application/json-patch+json", json),
			"other multipart":     write.request.sending("multipart/mixed; boundary=x", "--x--"),
			"no type at all":      write.request.sending("", json),
			"no type, empty type": write.request.sending("", json).with("Content-Type:"),
			"malformed type":      write.request.sending("json", json),
			"half a parameter":    write.request.sending("application/json; charset", json),
			"another, no body":    write.request.sending("text/plain", ""),
			"compressed":          write.request.with("Content-Encoding: gzip"),
			"compressed twice":    write.request.with("Content-Encoding: gzip, br"),
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s.do(t, sent).want(t, 415, message("Unsupported Media Type"))
			})
		}
	}
}

func TestMissingBodyHasNoFields(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, write := range writes {
		for kind, sent := range map[string]request{
			"nothing":        write.request.sending("", ""),
			"nothing, twice": write.request.sending("", "").with("Content-Length: 0"),
			"empty form":     write.request.sending("application/x-www-form-urlencoded", ""),
			"empty object":   write.request.sending("application/json", "{}"),
			"only nulls":     write.request.sending("application/json", `{"name":null,"info_url":null,"deadline":null,"email":null,"password":null}`),
			"no parts":       write.request.sending("multipart/form-data; boundary=x", "--x--\r\n"),
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s.do(t, sent).want(t, 400, write.missing)
			})
		}
	}
}

func TestMalformedBodiesAreInvalid(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const (
		json = "Malformed JSON: must be one object"
		form = "Malformed form"
		mult = "Malformed multipart form"

		formType = "application/x-www-form-urlencoded"
		multType = "multipart/form-data; boundary=x"
		part     = "--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n"
	)
	for name, test := range map[string]struct{ content, body, why string }{
		"JSON: empty":               {"application/json", "", json},
		"JSON: blank":               {"application/json", " \n", json},
		"JSON: cut short":           {"application/json", `{"email":"a@example.com"`, json},
		"JSON: single quotes":       {"application/json", `{'email':'a'}`, json},
		"JSON: a form instead":      {"application/json", `email=a%40example.com`, json},
		"JSON: garbage after":       {"application/json", `{"email":"a@example.com"} x`, json},
		"JSON: a second object":     {"application/json", `{} {}`, json},
		"JSON: trailing comma":      {"application/json", `{"email":"a@example.com",}`, json},
		"JSON: array":               {"application/json", `[{"email":"a@example.com"}]`, json},
		"JSON: null":                {"application/json", `null`, json},
		"JSON: string":              {"application/json", `"email"`, json},
		"JSON: number":              {"application/json", `1`, json},
		"JSON: raw control":         {"application/json", "{\"email\":\"a\nb\"}", json},
		"JSON: raw NUL":             {"application/json", "{\"email\":\"a\x00b\"}", json},
		"JSON: bad escape":          {"application/json", `{"email":"\x"}`, json},
		"JSON: half an escape":      {"application/json", `{"email":"\u12"}`, json},
		"JSON: byte order mark":     {"application/json", "\ufeff{}", json},
		"JSON: too deep":            {"application/json", strings.Repeat("[", 20_000), json},
		"JSON: UTF-16":              {"application/json; charset=utf-16", "{\x00}\x00", json},
		"form: broken escape":       {formType, "email=%zz", form},
		"form: half an escape":      {formType, "email=a&password=%4", form},
		"form: broken field name":   {formType, "%=a", form},
		"multipart: no boundary":    {"multipart/form-data", part + "a\r\n--x--\r\n", mult},
		"multipart: other boundary": {"multipart/form-data; boundary=y", part + "a\r\n--x--\r\n", mult},
		"multipart: empty":          {multType, "", mult},
		"multipart: cut short":      {multType, part + "a@exam", mult},
		"multipart: never closed":   {multType, part + "a\r\n", mult},
		"multipart: bad header":     {multType, "--x\r\nContent Disposition\r\n\r\na\r\n--x--\r\n", mult},
		"multipart: 2,000 parts":    {multType, strings.Repeat("--x\r\n\r\n\r\n", 2000) + "--x--\r\n", mult},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.do(t, register.sending(test.content, test.body)).want(t, 400, invalid("body", test.why))
		})
	}
	t.Cleanup(func() {
		if n := len(s.auth.RegisterCalls()); n > 0 {
			t.Errorf("%d of them reached the port", n)
		}
	})
}

func TestMalformedBodyAndInvalidNameAreBothReported(t *testing.T) {
	t.Parallel()
	put := putWidget
	put.path = "/api/v1/widgets/BAD!"
	serve(t).do(t, put.sending("application/json", "{")).want(t, 400, invalid("body", "Malformed JSON: must be one object", "name",
		"A widget's name is 1 to 100 of the lowercase letters a-z, digits, hyphens and underscores"))
}

func TestEveryJSONValueOfTheWrongTypeIsReported(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const wrong = "Must be a string"
	for _, value := range []string{"0", "-1.5e3", "true", "false", "{}", `{"a":"b"}`, "[]", `["a"]`, `[null]`} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			all := `{"email":` + value + `,"password":` + value + `,"name":` + value + `,"info_url":` + value + `,"deadline":` + value + `}`
			s.do(t, register.sending("application/json", all)).want(t, 400, invalid("email", wrong, "password", wrong))
			s.do(t, logIn.sending("application/json", all)).want(t, 400, invalid("email", wrong, "password", wrong))
			s.do(t, createWidget.sending("application/json", all)).want(t, 400, invalid("deadline", wrong, "info_url", wrong, "name", wrong))
			s.do(t, putWidget.sending("application/json", all)).want(t, 400, invalid("deadline", wrong, "info_url", wrong))
		})
	}
	t.Run("beside a missing and an invalid field", func(t *testing.T) {
		t.Parallel()
		s.do(t, createWidget.sending("application/json", `{"name":"Gear!","deadline":7}`)).
			want(t, 400, invalid("deadline", wrong, "info_url", missing, "name",
				"A widget's name is 1 to 100 of the lowercase letters a-z, digits, hyphens and underscores"))
	})
}

// echo makes Register return the password as the token.
func echo(s *server) {
	s.auth.RegisterFunc = func(_ context.Context, _ domain.Email, given domain.Password) (domain.AccessToken, error) {
		return domain.AccessToken{Text: given.Reveal()}, nil
	}
}

// wantPassword checks that the response has the password, or that the request was
// refused.
func (r response) wantPassword(t *testing.T, want, refused string) {
	t.Helper()
	if refused != "" {
		r.want(t, 400, invalid("password", refused))
		return
	}
	r.want(t, 201, `{"status":"success","message":"successfully registered","access_token":`+quote(want)+`,"token_type":"bearer","expires_in":0}`)
}

func TestJSONTextIsUnchanged(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	const (
		notUTF8 = "Must be UTF-8 text"
		nul     = "Password must be UTF-8 text without NUL characters"
	)
	for name, test := range map[string]struct {
		json, want, refused string
	}{
		"escapes":                                 {json: `"\"\\\/\b\f\n\r\t\u0041"`, want: "\"\\/\b\f\n\r\tA"},
		"pair of surrogates":                      {json: `"\ud83d\uDD11"`, want: "🔑"},
		"not normalized":                          {json: `"e\u0301é"`, want: "e\u0301é"},
		"direction marks and joiners":             {json: `"\u202e\u200d\ufeff"`, want: "\u202e\u200d\ufeff"},
		"space around":                            {json: `"  a  "`, want: "  a  "},
		"last of duplicate keys":                  {json: `"first","password":"second"`, want: "second"},
		"replacement character":                   {json: `"a` + "\uFFFD" + `"`, want: "a\uFFFD"},
		"replacement character, escaped":          {json: `"\ufffd\uFFFD"`, want: "\uFFFD\uFFFD"},
		"escape of an escape":                     {json: `"\\ufffd\\uD800"`, want: `\ufffd\uD800`},
		"backslash, then the replacement":         {json: `"\\\ufffd"`, want: "\\\uFFFD"},
		"NUL escape":                              {json: `"a\u0000b"`, refused: nul},
		"invalid bytes":                           {json: "\"a\xffb\"", refused: notUTF8},
		"overlong NUL":                            {json: "\"\xc0\x80\"", refused: notUTF8},
		"surrogate in bytes":                      {json: "\"\xed\xa0\x80\"", refused: notUTF8},
		"cut in a character":                      {json: "\"\xf0\x9f\x94\"", refused: notUTF8},
		"lone high surrogate":                     {json: `"\ud83d"`, refused: notUTF8},
		"lone low surrogate":                      {json: `"\udd11"`, refused: notUTF8},
		"surrogates the wrong way round":          {json: `"\udd11\ud83d"`, refused: notUTF8},
		"lone surrogate beside a replacement":     {json: `"\ufffd\ud800"`, refused: notUTF8},
		"lone surrogate beside one as text":       {json: `"\\ufffd\ud800"`, refused: notUTF8},
		"lone surrogate behind escaped backslash": {json: `"\\\ud800"`, refused: notUTF8},
		"invalid bytes beside a replacement":      {json: "\"\uFFFD\xff\"", refused: notUTF8},
		"duplicate after a wrong type":            {json: `7,"password":"second"`, want: "second"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.do(t, register.sending("application/json", `{"email":"ada@example.com","password":`+test.json+`}`)).wantPassword(t, test.want, test.refused)
		})
	}
}

func TestFormTextIsUnchanged(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	const nul = "Password must be UTF-8 text without NUL characters"
	for name, test := range map[string]struct {
		form, want, refused string
	}{
		"percent-encoding":         {form: "%C3%A9%26%3D%3B%2B%25", want: "é&=;+%"},
		"plus is a space":          {form: "+a+b+", want: " a b "},
		"plain bytes":              {form: "é=b", want: "é=b"},
		"first of repeated fields": {form: "first&password=second", want: "first"},
		"semicolon":                {form: "a;b", want: "a;b"},
		"emoji":                    {form: "%F0%9F%94%91", want: "🔑"},
		"NUL":                      {form: "a%00b", refused: nul},
		"raw NUL":                  {form: "a\x00b", refused: nul},
		"invalid UTF-8":            {form: "%FF", refused: nul},
		"raw invalid UTF-8":        {form: "\xff", refused: nul},
		"empty":                    {form: "", refused: missing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.do(t, register.sending("application/x-www-form-urlencoded", "email=ada%40example.com&password="+test.form)).wantPassword(t, test.want, test.refused)
		})
	}
}

func TestMultipartTextIsUnchanged(t *testing.T) {
	t.Parallel()
	s := serve(t, echo)
	const part = "--x\r\nContent-Disposition: form-data; name=\"password\""
	for name, test := range map[string]struct {
		parts, want, refused string
	}{
		"line ends":                  {parts: part + "\r\n\r\na\r\nb\n--xy\r\n", want: "a\r\nb\n--xy"},
		"not decoded":                {parts: part + "\r\n\r\n+%41&amp;\r\n", want: "+%41&amp;"},
		"a type of its own":          {parts: part + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\né\r\n", want: "é"},
		"first of repeated parts":    {parts: part + "\r\n\r\nfirst\r\n" + part + "\r\n\r\nsecond\r\n", want: "first"},
		"NUL":                        {parts: part + "\r\n\r\n\x00\r\n", refused: "Password must be UTF-8 text without NUL characters"},
		"invalid UTF-8":              {parts: part + "\r\n\r\n\xff\r\n", refused: "Password must be UTF-8 text without NUL characters"},
		"a file in place of a value": {parts: part + "; filename=\"p.txt\"\r\n\r\nsecret\r\n", refused: missing},
		"a file beside the value":    {parts: part + "; filename=\"p.txt\"\r\n\r\nfile\r\n" + part + "\r\n\r\nvalue\r\n", want: "value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.do(t, register.sending("multipart/form-data; boundary=x",
				"--x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nada@example.com\r\n"+test.parts+"--x--\r\n")).wantPassword(t, test.want, test.refused)
		})
	}
}

func TestInvalidUTF8AndNULAreInvalidInEveryField(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, value := range map[string]string{"NUL": "%00", "invalid UTF-8": "%FF", "cut in a character": "a%F0%9F"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := strings.ReplaceAll("email=V&password=V&name=V&info_url=V&deadline=V", "V", value)
			for _, write := range writes {
				got := s.do(t, write.request.sending("application/x-www-form-urlencoded", all))
				got.want(t, 400, got.body)
				for i := 0; i < len(write.fields); i += 2 {
					if field := write.fields[i]; !strings.Contains(got.body, `"`+field+`":"`) && (field != "name" || write.request.method != "PUT") {
						t.Errorf("%s %s: errors do not name %s: %s", write.request.method, write.request.path, field, got.body)
					}
				}
			}
		})
	}
}
