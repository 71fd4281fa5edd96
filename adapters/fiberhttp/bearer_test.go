package fiberhttp

import (
	"strings"
	"testing"
)

func FuzzBearerToken(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer ", "bearer a.b.c", "BEARER  a b", "Basic dTpw", " \tBearer x\t", "Bearer\tx", "Bearerx", "\u212Aearer x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, found := bearerToken(header)
		switch {
		case !found:
			if scheme, rest, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Bearer") && strings.Trim(rest, " \t") != "" {
				t.Errorf("%q is not taken for a token", header)
			}
		case token == "" || strings.Trim(token, " ") != token || strings.HasSuffix(token, "\t"):
			t.Errorf("the token of %q is %q", header, token)
		case !strings.HasSuffix(strings.TrimRight(header, " \t"), token):
			t.Errorf("the token of %q is %q, which it does not end in", header, token)
		case len(strings.TrimLeft(header, " \t")) < len("Bearer ")+len(token):
			t.Errorf("the token of %q is %q, with no scheme before it", header, token)
		}
	})
}
