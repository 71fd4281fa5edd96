package fiberhttp_test

import (
	"context"
	"strings"
	"testing"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

const (
	unknownID        = "ab000000-0000-4000-8000-00000000ffff" // no account has it
	notAdministrator = "Not an administrator"
	patchTypes       = "application/merge-patch+json, application/json, application/x-www-form-urlencoded, multipart/form-data"
	mergePatchType   = "application/merge-patch+json"
)

// asMergePatch returns the body of a merge patch.
func asMergePatch(f fields) (content, body string) {
	_, body = f.json()
	return mergePatchType, body
}

func TestPatchChangesTheFieldsThatAreSent(t *testing.T) {
	t.Parallel()
	link, deadline := sprocketFields.InfoURL, sprocketFields.Deadline
	owner := domain.Owner{PublicID: admin.PublicID}
	for name, test := range map[string]struct {
		sent fields
		want domain.WidgetChange
	}{
		"link":             {sprocket[2:4], domain.WidgetChange{InfoURL: &link}},
		"deadline":         {sprocket[4:], domain.WidgetChange{Deadline: &deadline}},
		"owner":            {fields{"owner", adminID}, domain.WidgetChange{Owner: &owner}},
		"owner, capitals":  {fields{"owner", strings.ToUpper(adminID)}, domain.WidgetChange{Owner: &owner}},
		"all":              {append(fields{"owner", adminID}, sprocket[2:]...), domain.WidgetChange{InfoURL: &link, Deadline: &deadline, Owner: &owner}},
		"unknown as well":  {append(fields{"color", "red"}, sprocket[2:4]...), domain.WidgetChange{InfoURL: &link}},
		"the name is none": {append(fields{"name", "Not A Name"}, sprocket[2:4]...), domain.WidgetChange{InfoURL: &link}},
	} {
		for kind, encode := range map[string]func(fields) (string, string){
			"JSON": fields.json, "form": fields.form, "multipart": fields.multipart, "merge patch": asMergePatch,
			"merge patch with charset": func(f fields) (string, string) {
				_, body := f.json()
				return "Application/Merge-Patch+JSON; charset=utf-8", body
			},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s := serve(t)
				patch := patchWidget.sending(encode(test.sent))
				patch.path = "/api/v1/widgets/GEAR/"
				s.do(t, patch).want(t, 200, success("'gear' was successfully updated"), "ETag: "+gearTag, "Location:")
				got := s.widgets.ChangeCalls()
				if len(got) != 1 || got[0].Claims != adminClaims || got[0].Name != gear.Name || !got[0].Condition.IsNone() ||
					!same(got[0].Change.InfoURL, test.want.InfoURL) || !same(got[0].Change.Deadline, test.want.Deadline) || !same(got[0].Change.Owner, test.want.Owner) {
					t.Errorf("the port got %+v", got)
				}
			})
		}
	}
}

func TestPatchReportsEveryInvalidField(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const (
		notURL  = "Not an absolute http or https URL with a host"
		past    = "The deadline 2026-11-21 is past: today is 2026-11-22 (UTC)"
		object  = "Malformed JSON: must be one object"
		noText  = "Must be a string"
		badText = "Must be UTF-8 text"
	)
	for body, want := range map[string]string{
		`{}`:                         invalid("body", fiberhttp.NoWidgetChange),
		`{"name":"gear"}`:            invalid("body", fiberhttp.NoWidgetChange),
		`{"Owner":"` + userID + `"}`: invalid("body", fiberhttp.NoWidgetChange),
		`{"info_url":null}`:          invalid("info_url", missing),
		`{"deadline":null}`:          invalid("deadline", missing),
		`{"owner":null}`:             invalid("owner", missing),
		`{"info_url":null,"deadline":null,"owner":null}`:           invalid("deadline", missing, "info_url", missing, "owner", missing),
		`{"info_url":"","deadline":"","owner":""}`:                 invalid("deadline", missing, "info_url", missing, "owner", missing),
		`{"info_url":"/x","deadline":"2026-11-21","owner":"root"}`: invalid("deadline", past, "info_url", notURL, "owner", notAdministrator),
		`{"info_url":"/x","owner":"` + userID + `"}`:               invalid("info_url", notURL, "owner", notAdministrator),
		`{"info_url":"/x","owner":"` + unknownID + `"}`:            invalid("info_url", notURL, "owner", notAdministrator),
		`{"info_url":"/x","owner":"` + adminID + `"}`:              invalid("info_url", notURL),
		`{"info_url":1,"deadline":true,"owner":{}}`:                invalid("deadline", noText, "info_url", noText, "owner", noText),
		`{"owner":["` + adminID + `"]}`:                            invalid("owner", noText),
		`{"owner":"` + adminID + ` "}`:                             invalid("owner", notAdministrator),
		`{"owner":"{` + adminID + `}"}`:                            invalid("owner", notAdministrator),
		`{"owner":"00000000-0000-0000-0000-000000000000"}`:         invalid("owner", notAdministrator),
		`{"owner":"root@example.com"}`:                             invalid("owner", notAdministrator),
		`{"owner":"\u0000"}`:                                       invalid("owner", notAdministrator),
		`{"owner":"` + strings.Repeat("a", 60_000) + `"}`:          invalid("owner", notAdministrator),
		`{"owner":"\ud800"}`:                                       invalid("owner", badText),
		`[]`:                                                       invalid("body", object),
		`null`:                                                     invalid("body", object),
		`"gear"`:                                                   invalid("body", object),
		`{"owner":"` + adminID + `"`:                               invalid("body", object),
		``:                                                         invalid("body", object),
		`[{"op":"replace","path":"/owner","value":"` + adminID + `"}]`: invalid("body", object),
	} {
		for _, content := range []string{"application/json", mergePatchType} {
			s.do(t, patchWidget.sending(content, body)).want(t, 400, want, "ETag:", "Accept-Patch:")
		}
	}
	s.do(t, patchWidget.sending("", "")).want(t, 400, invalid("body", fiberhttp.NoWidgetChange))
	s.do(t, patchWidget.sending("application/x-www-form-urlencoded", "owner=&deadline=2026-11-21")).want(t, 400, invalid("deadline", past, "owner", missing))
	if calls := s.widgets.ChangeCalls(); len(calls) > 0 {
		t.Errorf("the port got %+v", calls)
	}
	s.accounts.GetFunc = func(context.Context, domain.Actor, domain.UUID) (domain.User, error) {
		return domain.User{}, &domain.Error{Kind: domain.Unavailable}
	}
	s.do(t, patchWidget.sending(fields{"info_url", "/x", "owner", userID}.form())).want(t, 503, message("Service Unavailable"))
}

func TestPatchIsRefusedForAnotherMediaType(t *testing.T) {
	t.Parallel()
	s := serve(t)
	_, body := sprocket[2:].json()
	for _, r := range []request{
		patchWidget.sending("text/plain", body), patchWidget.sending("application/json-patch+json", "[]"), patchWidget.sending("", body),
		patchWidget.sending("application/merge-patch", body), patchWidget.with("Content-Encoding: gzip"),
	} {
		s.do(t, r).want(t, 415, message("Unsupported Media Type"), "Accept-Patch: "+patchTypes)
		r.path += "/"
		s.do(t, r).want(t, 415, message("Unsupported Media Type"), "Accept-Patch: "+patchTypes)
	}
	for _, r := range []request{putWidget, createWidget, changeUser, register, logIn, logOutEverywhere} { // only a widget's patch is a merge patch
		s.do(t, r.sending(mergePatchType, r.body)).want(t, 415, message("Unsupported Media Type"), "Accept-Patch:")
	}
	s.do(t, patchWidget.sending("text/plain", body).as(userToken)).want(t, 403, message("You are not an administrator"), "Accept-Patch:")
}

func TestOPTIONSOfAWidgetNamesTheTypesOfPatches(t *testing.T) {
	t.Parallel()
	for _, configured := range [][]string{{"*"}, nil} {
		s := serve(t, func(s *server) { s.config.CORSOrigins = configured })
		for path, want := range map[string]string{
			"/api/v1/widgets/gear": patchTypes, "/api/v1/widgets/GEAR/": patchTypes, "/api/v1/widgets/no%20name": patchTypes,
			"/api/v1/widgets": "", "/api/v1/widgets/": "", "/api/v1/users/" + userID: "", "/healthz": "",
		} {
			options := request{method: "OPTIONS", path: path}
			s.do(t, options).want(t, 204, "", "Accept-Patch: "+want)
			s.do(t, options.with("Origin: https://app.example")).want(t, 204, "", "Accept-Patch: "+want)
		}
		s.do(t, request{method: "TRACE", path: "/api/v1/widgets/gear"}).want(t, 405, message("Method Not Allowed"), "Accept-Patch:")
	}
}

func TestWidgetIsHandedOverToAnAdministratorOnly(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	second := domain.User{PublicID: domain.UUID{0xef, 15: 4}, Email: sample.Email("second@example.com"), Admin: true, PasswordHash: domain.NewPasswordHash("x")}
	sample.Must(0, s.store.Users().Add(t.Context(), second))
	to := func(id string) request { return patchWidget.sending(fields{"owner", id}.form()) }
	for _, id := range []string{userID, unknownID} {
		s.do(t, to(id)).want(t, 400, invalid("owner", notAdministrator))
	}
	s.do(t, getWidget).want(t, 200, gearBody, "ETag: "+gearTag)
	s.do(t, to(second.PublicID.String())).want(t, 200, success("'gear' was successfully updated"), `ETag: "1795330507000001"`)
	handedOver := strings.NewReplacer("root@example.com", "second@example.com", adminID, second.PublicID.String()).Replace(gearBody)
	s.do(t, getWidget).want(t, 200, handedOver)
}

// TestPatchDoesNotJudgeADeadlineThatIsNotSent changes a widget whose deadline has passed.
func TestPatchDoesNotJudgeADeadlineThatIsNotSent(t *testing.T) {
	t.Parallel()
	s := serveUseCases(t)
	old := gearAs(sample.WidgetName("old"))
	old.Deadline = domain.RestoreDeadline(start.AddDate(-1, 0, 0))
	sample.Must(0, s.store.Widgets().Add(t.Context(), old))
	patch := patchWidget.sending(sprocket[2:4].form())
	patch.path = "/api/v1/widgets/old"
	s.do(t, patch).want(t, 200, success("'old' was successfully updated"))
	kept := sample.Must(s.store.Widgets().ByName(context.Background(), old.Name))
	if kept.Deadline != old.Deadline || kept.InfoURL != sprocketFields.InfoURL || kept.Version != old.Version+1 {
		t.Errorf("the widget is %+v", kept)
	}
	s.do(t, patch.sending(fields{"deadline", "2025-11-22"}.form())).want(t, 400, invalid("deadline", "The deadline 2025-11-22 is past: today is 2026-11-22 (UTC)"))
}
