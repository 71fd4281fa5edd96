package fiberhttp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/widgetd/widgetd/adapters/fiberhttp"
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
	if err := json.Indent(&want, text, "", " "); err != nil {
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
