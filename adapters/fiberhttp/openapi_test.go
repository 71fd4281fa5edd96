package fiberhttp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/adapters/fiberhttp/openapitest"
)

var update = flag.Bool("update", false, "write openapi.json")

func TestDocumentIsTheOneWritten(t *testing.T) {
	written, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.YAMLToJSON(written) // which keeps the order
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Indent(&want, bytes.TrimSpace(text), "", " "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	if *update {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(fiberhttp.OpenAPI(), want.Bytes()) {
		t.Error("openapi.json is not openapi.yaml: run go generate ./adapters/fiberhttp")
	}
}

func TestDocumentHasTheRoutesAndNoOthers(t *testing.T) {
	t.Parallel()
	got := slices.Sorted(slices.Values(document.Operations()))
	want := slices.Sorted(slices.Values(serve(t).http.Routes()))
	if !slices.Equal(got, want) {
		t.Errorf("the document has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestResponsesThatAreNotDocumentedAreNoticed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for name, test := range map[string]struct {
		request  request
		old, new string // in the document
	}{
		"status":     {deleteWidget, `"204": {`, `"205": {`},
		"field":      {getWidget, `"time_remaining"`, `"time_left"`},
		"type":       {currentUser, `"type": "boolean"`, `"type": "string"`},
		"header":     {listWidgets, `"Total-Count"`, `"Total"`},
		"value":      {listWidgets.as(""), `realm=`, `kingdom=`},
		"media type": {getWidget, `"application/json"`, `"text/plain"`},
		"path":       {request{method: "GET", path: "/healthz"}, `"/healthz"`, `"/health"`},
		"405":        {request{method: "PATCH", path: "/healthz"}, `"Allow"`, `"Permit"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := bytes.ReplaceAll(fiberhttp.OpenAPI(), []byte(test.old), []byte(test.new))
			r := s.do(t, test.request)
			err := must(openapitest.Parse(changed)).Check(test.request.method, test.request.path,
				http.Response{StatusCode: r.status, Header: r.header}, r.body)
			if err == nil {
				t.Error("nobody noticed")
			}
		})
	}
}
