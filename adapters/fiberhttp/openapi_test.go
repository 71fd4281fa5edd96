package fiberhttp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
	"github.com/widgetd/widgetd/internal/openapitest"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

var update = flag.Bool("update", false, "write openapi.json")

func TestOpenAPIJSONIsGeneratedFromYAML(t *testing.T) {
	written, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.YAMLToJSON(written) // keeps the order of keys
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

func TestDocumentHasExactlyTheRoutesOfTheServer(t *testing.T) {
	t.Parallel()
	got := slices.Sorted(slices.Values(document().Operations()))
	want := slices.Sorted(slices.Values(serve(t).http.Routes()))
	if !slices.Equal(got, want) {
		t.Errorf("the document has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExamplesOfTheDocumentAreValid(t *testing.T) {
	t.Parallel()
	var written node
	if err := json.Unmarshal(fiberhttp.OpenAPI(), &written); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, operation := range document().Operations() {
		method, path, _ := strings.Cut(operation, " ")
		for status, response := range written.at("paths", path, strings.ToLower(method), "responses").each() {
			header := http.Header{}
			for name, described := range written.follow(response).at("headers").each() {
				if example, found := written.follow(described)["example"]; found {
					header.Set(name, fmt.Sprint(example))
				} else if always, found := written.follow(described).at("schema")["const"]; found {
					header.Set(name, fmt.Sprint(always))
				}
			}
			header.Set("Content-Type", "application/json")
			for name, example := range written.follow(response).at("content", "application/json", "examples").each() {
				body := sample.Must(json.Marshal(example["value"]))
				err := document().Check(method, strings.NewReplacer("{", "", "}", "").Replace(path),
					http.Response{StatusCode: sample.Must(strconv.Atoi(status)), Header: header}, string(body))
				if err != nil {
					t.Errorf("%s: %s, %s: %v", operation, status, name, err)
				}
				tried++
			}
		}
	}
	if tried < 50 {
		t.Errorf("got %d examples, want at least 50", tried)
	}
}

// node is a JSON object of the document.
type node map[string]any

// at returns the object at a path, or an empty one.
func (n node) at(path ...string) node {
	for _, name := range path {
		n, _ = n[name].(map[string]any)
	}
	return n
}

// each returns the objects that are fields of an object.
func (n node) each() map[string]node {
	objects := map[string]node{}
	for name := range n {
		objects[name] = n.at(name)
	}
	return objects
}

// follow returns the object that a $ref refers to, or the object itself.
func (n node) follow(object node) node {
	if to, found := object["$ref"].(string); found {
		return n.at(strings.Split(strings.TrimPrefix(to, "#/"), "/")...)
	}
	return object
}

func TestCheckFindsUndocumentedResponses(t *testing.T) {
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
			err := sample.Must(openapitest.Parse(changed)).Check(test.request.method, test.request.path,
				http.Response{StatusCode: r.status, Header: r.header}, r.body)
			if err == nil {
				t.Error("Check returned no error")
			}
		})
	}
}
