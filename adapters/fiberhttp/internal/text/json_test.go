package text

import (
	"encoding/json"
	"testing"
	"testing/quick"
)

func TestAppendJSONIsEncodingJSONWithoutHTMLEscapes(t *testing.T) {
	t.Parallel()
	check := func(text string) bool {
		want, err := EncodeJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		got := string(AppendJSON(nil, text))
		var decoded string
		if got+"\n" != string(want) || json.Unmarshal([]byte(got), &decoded) != nil {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
		return !t.Failed()
	}
	for _, text := range []string{"", "gear", `"`, `\`, "\xff\x00\x7f/\t\n", "é\u2028", "https://example.com/?a=1&b=<2>", "</script>"} {
		check(text)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	if got := string(AppendJSON(nil, "<a&b>")); got != `"<a&b>"` {
		t.Errorf("got %s", got)
	}
}
