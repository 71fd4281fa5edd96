package introspection_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/widgetd/widgetd/adapters/introspection"
	"github.com/widgetd/widgetd/domain"
)

// A program asks a widgetd whether tokens are valid.
func Example() {
	widgetd := httptest.NewServer(http.HandlerFunc(answer)) // stands for a widgetd that runs elsewhere
	defer widgetd.Close()

	client, err := introspection.New(introspection.Config{
		URL:    widgetd.URL,
		Secret: "the introspection secret of the server",
	})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	ctx := context.Background()
	claims, err := client.Authenticate(ctx, "adas.access.token")
	fmt.Println(claims.Subject, claims.Admin, err)
	_, err = client.Authenticate(ctx, "a.logged-out.token")
	fmt.Println(errors.Is(err, domain.Unauthenticated))
	// Output:
	// ab000000-0000-0000-0000-000000000001 true <nil>
	// true
}

func answer(w http.ResponseWriter, r *http.Request) {
	body := `{"active":false}`
	if r.PostFormValue("token") == "adas.access.token" {
		body = `{"active":true,"sub":"ab000000-0000-0000-0000-000000000001","exp":1795333506,"iat":1795329906,
			"jti":"03000000-0000-0000-0000-000000000000","admin":true,"token_type":"bearer"}`
	}
	_, _ = io.WriteString(w, body)
}
