package transfer_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/app/transfer"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestFileThatIsNotOneWholeExportIsInvalid: the good lines before the fault are imported,
// and the message says what to do.
func TestFileThatIsNotOneWholeExportIsInvalid(t *testing.T) {
	t.Parallel()
	const later = `{"kind":"header","format":"widgetd-export","version":2,"program":"v9.8.7"}` + "\n"
	two := accountLine(1) + accountLine(2)
	whole := header + two + end(2, 0, 0, 0)
	for name, test := range map[string]struct {
		file  string
		added int
		want  string // a part of the message
	}{
		"nothing":                  {"", 0, "empty"},
		"blank lines":              {"\n\r\n \n", 0, "empty"},
		"a picture":                {"\x89PNG\r\n\x1a\n\x00\x00", 0, "no export of widgetd"},
		"a very long line":         {strings.Repeat("x", 1<<20), 0, "no export of widgetd"},
		"another JSON":             {`[{"kind":"header"}]`, 0, "no export of widgetd"},
		"the header of another":    {`{"kind":"header","format":"dump","version":1}` + "\n", 0, "no export of widgetd"},
		"version 0":                {strings.Replace(whole, `"version":1`, `"version":0`, 1), 0, "no export of widgetd"},
		"no version":               {strings.Replace(whole, `"version":1,`, ``, 1), 0, "no export of widgetd"},
		"bare accounts":            {two, 0, "import it as accounts"},
		"a header that is cut off": {header[:40], 0, "no export of widgetd"},
		"a later version":          {later + two + end(2, 0, 0, 0), 0, "has version 2 of the format"},
		"a later version, program": {later, 0, `widgetd "v9.8.7" has written. This is widgetd v1.2.3, which reads version 1: import the file with`},
		"a huge version":           {strings.Replace(whole, `"version":1`, `"version":1e99`, 1), 0, "no export of widgetd"},
		"only a header":            {header, 0, "cut off: it ends at line 1"},
		"no last line":             {header + two, 2, "cut off: it ends at line 3"},
		"half a line":              {header + two[:len(two)-20], 1, "cut off: it ends at line 3"},
		"half a last line":         {whole[:len(whole)-20], 2, "cut off: it ends at line 4"},
		"a line without its end":   {strings.TrimSuffix(header+two, "\n"), 2, "cut off: it ends at line 3"},
		"doubled":                  {whole + whole, 2, "Line 5 is the header of a second export"},
		"doubled, cut off":         {header + accountLine(1) + whole, 1, "Line 3 is the header of a second export"},
		"two headers":              {header + whole, 0, "Line 2 is the header of a second export"},
		"an account at the end":    {whole + accountLine(3), 2, "Line 5 is after the last line"},
		"a word at the end":        {whole + "\n\nthe end", 2, "Line 7 is after the last line"},
		"a long line at the end":   {whole + strings.Repeat("x", 1<<17), 2, "Line 5 is after the last line"},
		"two last lines":           {whole + end(2, 0, 0, 0), 2, "Line 5 is after the last line"},
		"one too few":              {header + two + end(3, 0, 0, 0), 2, "says 3 accounts, 0 widgets, 0 logged-out tokens and 0 cut-offs, but the file has 2 accounts"},
		"one too many":             {header + two + end(1, 0, 0, 0), 2, "says 1 accounts"},
		"of another kind":          {header + two + end(1, 1, 0, 0), 2, "says 1 accounts, 1 widgets"},
		"no numbers":               {header + two + `{"kind":"end"}` + "\n", 2, "says 0 accounts"},
		"numbers that are none":    {header + two + `{"kind":"end","accounts":"two"}` + "\n", 2, "The last line of the export, line 4, cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			report, refused, err := importText(t, store, test.file)
			if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
			if report.Added != test.added || report.Found != 0 || len(refused) > 0 || len(users(t, store)) != test.added {
				t.Errorf("the report is %+v, %v, want %d accounts", report, refused, test.added)
			}
		})
	}
}

func TestLineEndsAndBlankLinesDoNotCount(t *testing.T) {
	t.Parallel()
	whole := header + accountLine(1) + widgetLine("w", createdAt) + end(1, 1, 0, 0)
	for name, file := range map[string]string{
		"carriage returns":    strings.ReplaceAll(whole, "\n", "\r\n"),
		"no last line feed":   strings.TrimSuffix(whole, "\n"),
		"a blank last line":   whole + "\n",
		"blank last lines":    whole + "\r\n \n\t\n",
		"blank lines":         "\n" + strings.ReplaceAll(whole, "\n", "\n\n"),
		"a byte order mark":   "\uFEFF" + whole,
		"space around a line": strings.ReplaceAll(whole, "\n", " \n "),
	} {
		report, refused, err := importText(t, memory.New(), file)
		if report.Added != 2 || report.Refused != 0 || err != nil {
			t.Errorf("%s: %+v, %v, %v", name, report, refused, err)
		}
	}
}

// TestWrongLineIsRefusedAndTheRestGoesOn puts a wrong line between good ones.
func TestWrongLineIsRefusedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	for name, test := range map[string]struct {
		kind     string // of the line that is changed
		old, new string
		want     string // a part of the reason
	}{
		"no JSON":               {"account", `{`, `x`, "not JSON"},
		"JSON that is cut":      {"account", `}`, ``, "not JSON"},
		"two objects":           {"account", `}`, `}{}`, "not JSON"},
		"an array":              {"account", lineOf["account"], "[]\n", "not a JSON object"},
		"a text":                {"account", lineOf["account"], "\"account\"\n", "not a JSON object"},
		"null":                  {"account", lineOf["account"], "null\n", `kind "", which is not known`},
		"no kind":               {"account", `"kind":"account",`, ``, `kind "", which is not known`},
		"an unknown kind":       {"account", `"account"`, `"role"`, `kind "role", which is not known`},
		"a kind that is none":   {"account", `"account"`, `7`, "kind must not be a JSON number"},
		"a long unknown kind":   {"account", `"account"`, `"` + long + `"`, `xxx\u2026", which is not known`},
		"a long line":           {"account", `}`, strings.Repeat(" ", transfer.MaxLineBytes) + "}", "longer than 65536 bytes"},
		"a line a byte longer":  {"account", `}`, strings.Repeat(" ", transfer.MaxLineBytes+1-len(strings.TrimSpace(lineOf["account"]))) + "}", "longer than 65536 bytes"},
		"no UTF-8":              {"account", `User`, "\xff", "not UTF-8"},
		"no email":              {"account", `"email":"User.1@example.com",`, ``, "email: must not be empty"},
		"an empty email":        {"account", `User.1@example.com`, ``, "email: must not be empty"},
		"a NUL in an email":     {"account", `User`, `\u0000`, "email: must not have a NUL"},
		"a long email":          {"account", `User`, long, "email: must not be longer than 4096 bytes"},
		"an email that is null": {"account", `"User.1@example.com"`, `null`, "email: must not be empty"},
		"an email of a number":  {"account", `"User.1@example.com"`, `1`, "email must not be a JSON number"},
		"no public id":          {"account", `"public_id":"00000000-0000-4000-8000-000000000001",`, ``, "public_id: not a UUID"},
		"a nil public id":       {"account", `00000000-0000-4000-8000-000000000001`, `00000000-0000-0000-0000-000000000000`, "public_id: not a UUID"},
		"a short public id":     {"account", `0001"`, `1"`, "public_id: not a UUID"},
		"a NUL in a hash":       {"account", `hash of`, `\u0000`, "password_hash: must not have a NUL"},
		"a long hash":           {"account", `hash of`, long, "password_hash: must not be longer"},
		"admin of a text":       {"account", `"admin":false`, `"admin":"yes"`, "admin must not be a JSON string"},
		"no time":               {"account", `2026-03-04T05:06:07.089Z`, ``, "registered_on: must be a time"},
		"a time without a zone": {"account", `07.089Z`, `07`, "registered_on: must be a time"},
		"a time that is none":   {"account", `2026-03`, `2026-13`, "registered_on: must be a time"},
		"a time of the year 0":  {"account", `2026`, `0000`, "registered_on: must be a time"},
		"a time before year 1":  {"account", `2026-03-04T05:06:07.089Z`, `0001-01-01T00:00:00+01:00`, "registered_on: must be a time"},
		"the zero time":         {"account", `2026-03-04T05:06:07.089Z`, `0001-01-01T00:00:00Z`, "registered_on: must be a time"},
		"a time after 9999":     {"account", `2026-03-04T05:06:07.089Z`, `9999-12-31T23:59:59-01:00`, "registered_on: must be a time"},
		"two wrong values":      {"account", `"email":"User.1@example.com","password_hash":"`, `"password_hash":"\u0000`, "email: must not be empty; password_hash: must not"},

		"no name":             {"widget", `"name":"w",`, ``, "name: must not be empty"},
		"a long name":         {"widget", `"w"`, `"` + long + `"`, "name: must not be longer"},
		"no URL":              {"widget", `https://example.com/`, ``, "info_url: must not be empty"},
		"a NUL in a URL":      {"widget", `https`, `\u0000`, "info_url: must not have a NUL"},
		"no deadline":         {"widget", `"deadline":"2027-05-13T23:59:59Z",`, ``, "deadline: must be a time"},
		"no creation":         {"widget", `"created_at":"2026-11-22T06:55:07Z",`, ``, "created_at: must be a time"},
		"no owner":            {"widget", `"owner"`, `"owned_by"`, "owner.public_id: not a UUID"},
		"an owner of a text":  {"widget", `"owner":{`, `"owner":"","x":{`, "owner must not be a JSON string"},
		"an empty email of":   {"widget", `"User.0@example.com"`, `""`, "owner.email: must not be empty"},
		"no version":          {"widget", `,"version":5`, ``, "version: must not be empty"},
		"a version of a text": {"widget", `"version":5`, `"version":"5"`, "version must not be a JSON string"},
		"a fraction":          {"widget", `"version":5`, `"version":5.5`, "version must not be a JSON number"},
		"a huge version":      {"widget", `"version":5`, `"version":9223372036854775808`, "version must not be a JSON number"},
		"the last version":    {"widget", `"version":5`, `"version":9223372036854775807`, "version: must not be greater than"}, // it cannot be raised

		"no id":               {"token", `"id"`, `"jti"`, "id: not a UUID"},
		"no expiry":           {"token", `2030-01-01T00:00:00Z`, ``, "expires_at: must be a time"},
		"no lifetime":         {"token", `,"lifetime":60`, ``, "lifetime: must not be empty"},
		"a negative lifetime": {"token", `:60`, `:-1`, "lifetime: must be a number of seconds"},
		"a huge lifetime":     {"token", `:60`, `:9223372037`, "lifetime: must be a number of seconds"},
		"half a second":       {"token", `:60`, `:0.5`, "lifetime must not be a JSON number"},

		"no account": {"cut_off", `"public_id"`, `"id"`, "public_id: not a UUID"},
		"no value":   {"cut_off", `"value"`, `"values"`, "value: not a UUID"},
		"no expiry ": {"cut_off", `2030-01-01`, `2030-1-1`, "expires_at: must be a time"},
		"no life":    {"cut_off", `:60`, `:null`, "lifetime: must not be empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrong := strings.Replace(lineOf[test.kind], test.old, test.new, 1)
			if wrong == lineOf[test.kind] {
				t.Fatalf("the line has no %q", test.old)
			}
			if !strings.HasSuffix(wrong, "\n") {
				wrong += "\n"
			}
			n := map[string]int{test.kind: 1}
			file := header + accountLine(7) + wrong + widgetLine("x", createdAt) + tokenLine(8, 60) + cutOffLine(9, sample.ID(1)) +
				end(1+n["account"], 1+n["widget"], 1+n["token"], 1+n["cut_off"])
			store := memory.New()
			report, refused, err := importText(t, store, file)
			if want := (domain.ImportReport{Lines: 7, Added: 4, Refused: 1}); report != want || err != nil {
				t.Errorf("the import returned %+v, %v, %v", report, refused, err)
			}
			if len(refused) != 1 || !strings.HasPrefix(refused[0], "3: ") || !strings.Contains(refused[0], test.want) {
				t.Errorf("refused %v, want line 3 with %q", refused, test.want)
			}
			for _, secret := range []string{"hash of user", long[:100]} {
				if strings.Contains(strings.Join(refused, ""), secret) {
					t.Errorf("the reason has a part of the line: %v", refused)
				}
			}
			if got := len(export(t, store)); got != 5 {
				t.Errorf("the store has %d records", got-1)
			}
		})
	}
}

// TestValuesThatWereValidOnceAreImported: the rules of today do not count.
func TestValuesThatWereValidOnceAreImported(t *testing.T) {
	t.Parallel()
	file := header +
		strings.NewReplacer("User.1@example.com", " no address ", "hash of user 1", "").Replace(accountLine(1)) +
		strings.NewReplacer(`"w"`, `"An Old Name/é"`, "https://example.com/", "gopher://x", "2027", "1999", "User.0@example.com", "nobody", `"version":5`, `"version":-5`).Replace(widgetLine("w", createdAt)) +
		strings.Replace(tokenLine(1, 0), "00:00:00Z", "01:00:00.001+01:00", 1) +
		`{"kind":"cut_off","a later member":{},"public_id":"00000000-0000-4000-8000-000000000001","value":"ffffffff-ffff-ffff-ffff-ffffffffffff","expires_at":"1999-01-01T00:00:00Z","lifetime":9223372036}` + "\n" +
		end(1, 1, 1, 1)
	store := memory.New()
	if report, refused, err := importText(t, store, file); report.Added != 4 || err != nil {
		t.Fatalf("the import returned %+v, %v, %v", report, refused, err)
	}
	if user := users(t, store)[0]; user.Email.String() != " no address " || user.PasswordHash != (domain.PasswordHash{}) {
		t.Errorf("the account is %+v", user)
	}
	widget := widgets(t, store)[0]
	if widget.Name.String() != "An Old Name/é" || widget.InfoURL.String() != "gopher://x" || widget.Deadline.Time().Year() != 1999 ||
		widget.Owner.Email.String() != "nobody" || widget.Version != -5 {
		t.Errorf("the widget is %+v", widget)
	}
	tokens := sample.Must(store.Blacklist().Tokens(t.Context(), "", 10)).Items
	if want := time.Date(2030, 1, 1, 0, 0, 1, 0, time.UTC); len(tokens) != 1 || !tokens[0].ExpiresAt.Equal(want) {
		t.Errorf("the tokens are %+v, want one that expires at %v, a full second", tokens, want)
	}
}

// TestLineThatWasAddedIsRefusedAndTheRestGoesOn: the numbers of the last line are right.
func TestLineThatWasAddedIsRefusedAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	file := header + accountLine(1) + "no JSON\n" + accountLine(2) + end(2, 0, 0, 0)
	report, refused, err := importText(t, memory.New(), file)
	if want := (domain.ImportReport{Lines: 5, Added: 2, Refused: 1}); report != want || len(refused) != 1 || !strings.HasPrefix(refused[0], "3: ") || err != nil {
		t.Errorf("the import returned %+v, %v, %v", report, refused, err)
	}
}

// TestExpiryIsNotRoundedIntoTheYear10000: no store can keep that year.
func TestExpiryIsNotRoundedIntoTheYear10000(t *testing.T) {
	t.Parallel()
	last := func(line string) string {
		return strings.Replace(line, "2030-01-01T00:00:00Z", "9999-12-31T23:59:59.5Z", 1)
	}
	file := header + last(tokenLine(1, 60)) + last(cutOffLine(2, sample.ID(3))) + end(0, 0, 1, 1)
	store := memory.New()
	if report, refused, err := importText(t, store, file); report.Added != 2 || err != nil {
		t.Fatalf("the import returned %+v, %v, %v", report, refused, err)
	}
	want := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	tokens := sample.Must(store.Blacklist().Tokens(t.Context(), "", 10)).Items
	cutOffs := sample.Must(store.Blacklist().CutOffs(t.Context(), "", 10)).Items
	if len(tokens) != 1 || !tokens[0].ExpiresAt.Equal(want) || len(cutOffs) != 1 || !cutOffs[0].ExpiresAt.Equal(want) {
		t.Errorf("the tokens are %+v and the cut-offs %+v, want the expiry %v", tokens, cutOffs, want)
	}
}

// TestExistingRecordsStayAsTheyAre imports records that differ from those of the store.
func TestExistingRecordsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind     string
		old, new string // the change of the line
		refused  string // a part of the reason; empty: found
	}{
		"an account as it is":                    {"account", "", "", ""},
		"an account with another hash":           {"account", "hash of user 1", "another hash", ""},
		"an account with another role":           {"account", `"admin":false`, `"admin":true`, ""},
		"an account whose email differs in case": {"account", "User", "USER", ""},
		"an account with another public id":      {"account", "000001", "000009", "Another account has the email"},
		"that account, in another case":          {"account", `000001","email":"User`, `000009","email":"uSER`, "Another account has the email"},
		"an account with another email":          {"account", "User", "Ada", "The account with the public_id has another email"},
		"a widget as it is":                      {"widget", "", "", ""},
		"a widget with another deadline":         {"widget", "2027-05", "2028-05", ""},
		"a widget with another version":          {"widget", `"version":5`, `"version":6`, ""},
		"a widget that is older":                 {"widget", "06:55:07Z", "06:55:06.999Z", "Another widget, which was created at another time, has the name"},
		"a token as it is":                       {"token", "", "", ""},
		"a token with a later expiry":            {"token", "2030", "2031", ""},
		"a token with a longer lifetime":         {"token", ":60", ":6000", ""},
		"a cut-off as it is":                     {"cut_off", "", "", ""},
		"a cut-off with another value":           {"cut_off", "000002", "000009", ""},
		"a cut-off with a later expiry":          {"cut_off", "2030", "2031", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			before := header + lineOf["account"] + lineOf["widget"] + lineOf["token"] + lineOf["cut_off"] + end(1, 1, 1, 1)
			if report, _, err := importText(t, store, before); report.Added != 4 || err != nil {
				t.Fatal(report, err)
			}
			want := export(t, store)
			changed := strings.Replace(lineOf[test.kind], test.old, test.new, 1)
			if changed == lineOf[test.kind] && test.old != "" {
				t.Fatalf("the line has no %q", test.old)
			}
			n := map[string]int{test.kind: 1}
			report, refused, err := importText(t, store, header+changed+end(n["account"], n["widget"], n["token"], n["cut_off"]))
			if err != nil || report.Added != 0 || report.Found+report.Refused != 1 {
				t.Errorf("the import returned %+v, %v", report, err)
			}
			if test.refused == "" && len(refused) > 0 || test.refused != "" && !slices.Equal(refused, refusals{"2: " + test.refused}) {
				t.Errorf("refused %v, want %q", refused, test.refused)
			}
			if got := export(t, store); !slices.Equal(got, want) {
				t.Errorf("the store has\n%v, want\n%v", got, want)
			}
		})
	}
}

// TestFirstOfSeveralLinesCounts: the lines are in one batch.
func TestFirstOfSeveralLinesCounts(t *testing.T) {
	t.Parallel()
	store := memory.New()
	report, refused, err := importText(t, store, header+
		accountLine(1)+accountLine(1)+accountLineOf(2, "user.1@EXAMPLE.com")+accountLineOf(1, "ada@example.com")+
		widgetLine("w", createdAt)+widgetLine("w", createdAt)+widgetLine("w", "2026-11-22T06:55:08Z")+
		tokenLine(1, 60)+tokenLine(1, 61)+tokenLine(1, 62)+
		cutOffLine(1, sample.ID(5))+cutOffLine(1, sample.ID(6))+cutOffLine(1, sample.ID(7))+
		end(4, 3, 3, 3))
	if want := (domain.ImportReport{Lines: 15, Added: 4, Found: 6, Refused: 3}); report != want || err != nil {
		t.Errorf("the import returned %+v, %v", report, err)
	}
	if want := (refusals{
		"4: Another account has the email", "5: The account with the public_id has another email",
		"8: Another widget, which was created at another time, has the name",
	}); !slices.Equal(refused, want) {
		t.Errorf("refused %q", refused)
	}
	want := []string{accountLine(1), widgetLine("w", createdAt), tokenLine(1, 60), cutOffLine(1, sample.ID(5)), strings.TrimSuffix(end(1, 1, 1, 1), "\n")}
	if got := export(t, store); !slices.Equal(got, want) {
		t.Errorf("the store has\n%q, want\n%q", got, want)
	}
}

// TestRefusedLinesAreReportedInOrder mixes lines that are wrong with lines that the store
// refuses, in many batches.
func TestRefusedLinesAreReportedInOrder(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString(header + accountLine(0))
	const n = 3000
	for i := 1; i < n; i++ {
		switch i % 4 {
		case 0:
			file.WriteString(accountLine(i))
		case 1:
			file.WriteString(accountLineOf(i, "user.0@example.com"))
		case 2:
			file.WriteString("{}\n")
		case 3:
			file.WriteString(accountLineOf(i, ""))
		}
	}
	file.WriteString(end(n, 0, 0, 0))
	var lines []int
	last := domain.ImportReport{}
	report, err := transfer.New(config(memory.New())).Import(t.Context(), domain.Operator(), strings.NewReader(file.String()), ports.ImportOptions{
		Refused: func(line int, _ error) { lines = append(lines, line) },
		Progress: func(now domain.ImportReport) {
			if now.Lines < last.Lines || now.Added < last.Added || now.Refused != len(lines) {
				t.Errorf("the progress is %+v after %+v, with %d refused lines", now, last, len(lines))
			}
			last = now
		},
	})
	if want := (domain.ImportReport{Lines: n + 2, Added: n / 4, Refused: n - n/4}); report != want || err != nil || last != report {
		t.Errorf("the import returned %+v, %v; the last progress is %+v", report, err, last)
	}
	if !slices.IsSorted(lines) || len(lines) != report.Refused {
		t.Errorf("%d lines were reported, in order: %v", len(lines), slices.IsSorted(lines))
	}
}

// TestEmailOfADeletedAccountIsRemoved: the account was deleted shortly before the export.
func TestEmailOfADeletedAccountIsRemoved(t *testing.T) {
	t.Parallel()
	file := header + widgetLine("a", createdAt) + widgetLine("b", createdAt) + cutOffLine(0, domain.AccountDeleted) + end(0, 2, 0, 1)
	store := memory.New()
	for range 2 { // also if an import ended before
		if report, refused, err := importText(t, store, file); err != nil {
			t.Fatal(report, refused, err)
		}
		for _, widget := range widgets(t, store) {
			if want := (domain.Owner{PublicID: sample.ID(0)}); widget.Owner != want {
				t.Errorf("the owner is %+v", widget.Owner)
			}
		}
	}
}

// TestEmailOfAnAccountThatTheStoreHasDeletedIsRemoved: the account was deleted after the
// export, and the file cannot add it again because another one has the email now.
func TestEmailOfAnAccountThatTheStoreHasDeletedIsRemoved(t *testing.T) {
	t.Parallel()
	store := memory.New()
	if _, refused, err := importText(t, store, header+cutOffLine(0, domain.AccountDeleted)+end(0, 0, 0, 1)); err != nil {
		t.Fatal(refused, err)
	}
	if report, refused, err := importText(t, store, header+widgetLine("a", createdAt)+end(0, 1, 0, 0)); report.Added != 1 || err != nil {
		t.Fatal(report, refused, err)
	}
	if got, want := widgets(t, store)[0].Owner, (domain.Owner{PublicID: sample.ID(0)}); got != want {
		t.Errorf("the owner is %+v", got)
	}
}

// TestBareAccounts imports lines as another system writes them.
func TestBareAccounts(t *testing.T) {
	t.Parallel()
	const bcrypt = "$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
	file := `{"email": "a@example.com", "password_hash": "` + bcrypt + `", "admin": true, "public_id": "0b7a30a5-2f3c-4b8e-9a55-0123456789ab", "registered_on": "2026-11-22T06:55:04.123456Z"}
{"email":"b@example.com","password_hash":"` + argon2idHash + `"}

{"kind":"account","email":"c@example.com","password_hash":"` + bcrypt + `","admin":null,"disabled":true,"public_id":null,"registered_on":null,"note":"x"}`
	store := memory.New()
	report, refused, err := importAccounts(t, store, file)
	if want := (domain.ImportReport{Lines: 4, Added: 3}); report != want || err != nil {
		t.Fatalf("the import returned %+v, %v, %v", report, refused, err)
	}
	want := []domain.User{
		{PublicID: sample.Must(domain.ParseUUID("0b7a30a5-2f3c-4b8e-9a55-0123456789ab")), Email: sample.Email("a@example.com"), PasswordHash: domain.NewPasswordHash(bcrypt),
			Admin: true, RegisteredOn: time.Date(2026, 11, 22, 6, 55, 4, 123e6, time.UTC)},
		{PublicID: sample.ID(1002), Email: sample.Email("b@example.com"), PasswordHash: domain.NewPasswordHash(argon2idHash), RegisteredOn: now},
		{PublicID: sample.ID(1003), Email: sample.Email("c@example.com"), PasswordHash: domain.NewPasswordHash(bcrypt), Disabled: true, RegisteredOn: now},
	}
	if got := users(t, store); !reflect.DeepEqual(got, want) {
		t.Errorf("the accounts are %+v, want %+v", got, want)
	}
	report, refused, err = importAccounts(t, store, file)
	if want := (domain.ImportReport{Lines: 4, Found: 3}); report != want || err != nil {
		t.Errorf("the second import returned %+v, %v, %v", report, refused, err)
	}
	if got := users(t, store); !reflect.DeepEqual(got, want) {
		t.Errorf("the second import has changed the accounts: %+v", got)
	}
}

func TestWrongBareAccountsAreRefused(t *testing.T) {
	t.Parallel()
	const good = `{"email":"a@example.com","password_hash":"` + argon2idHash + `","public_id":"0b7a30a5-2f3c-4b8e-9a55-0123456789ab"}`
	for name, test := range map[string]struct{ line, want string }{
		"no email":             {strings.Replace(good, "a@example.com", "", 1), "email: must not be empty"},
		"no valid email":       {strings.Replace(good, "a@example.com", "a@localhost", 1), "email: a@localhost is not a valid email"},
		"no hash":              {strings.Replace(good, argon2idHash, "", 1), "password_hash: must not be empty"},
		"a password":           {strings.Replace(good, argon2idHash, "secret", 1), "password_hash: must be a bcrypt hash"},
		"another hash":         {strings.Replace(good, argon2idHash, "pbkdf2:sha256:600000$x$y", 1), "password_hash: must be a bcrypt hash"},
		"no UUID":              {strings.Replace(good, "0b7a", "0B7A", 1), "public_id: not a UUID"},
		"no time":              {strings.Replace(good, "}", `,"registered_on":"2026-11-22 06:55:04"}`, 1), "registered_on: must be a time"},
		"a role of a number":   {strings.Replace(good, "}", `,"admin":1}`, 1), "admin must not be a JSON number"},
		"a widget":             {strings.TrimSpace(lineOf["widget"]), `of the kind "widget", not an account`},
		"a last line":          {strings.TrimSpace(end(1, 0, 0, 0)), `of the kind "end", not an account`},
		"a line that is cut":   {good[:50], "not JSON"},
		"an email that exists": {strings.Replace(good, "a@example.com", "B@example.com", 1), "Another account has the email"},
	} {
		store := memory.New()
		before := `{"email":"b@example.com","password_hash":"` + argon2idHash + `"}` + "\n"
		after := "\n" + `{"email":"c@example.com","password_hash":"` + argon2idHash + `"}`
		report, refused, err := importAccounts(t, store, before+test.line+after)
		if want := (domain.ImportReport{Lines: 3, Added: 2, Refused: 1}); report != want || err != nil {
			t.Errorf("%s: the import returned %+v, %v", name, report, err)
		}
		if len(refused) != 1 || !strings.HasPrefix(refused[0], "2: ") || !strings.Contains(refused[0], test.want) ||
			strings.Contains(refused[0], "secret") || strings.Contains(refused[0], "pbkdf2") {
			t.Errorf("%s: refused %v, want line 2 with %q", name, refused, test.want)
		}
	}
}

func TestExportIsNotImportedAsBareAccounts(t *testing.T) {
	t.Parallel()
	report, _, err := importAccounts(t, memory.New(), header+accountLine(1)+end(1, 0, 0, 0))
	if !errors.Is(err, domain.Invalid) || !strings.Contains(err.Error(), "import the file as an export") || report.Added != 0 {
		t.Errorf("the import returned %+v, %v", report, err)
	}
}
