package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/gofiber/fiber/v2"
)

// answers are responses by their route.
type answers map[string]answer

type answer struct {
	Header [][2]string
	Body   []byte
}

// newAnswer returns a response to be sent again, headers that Fiber adds by itself
// excepted.
func newAnswer(header http.Header, body []byte) answer {
	a := answer{Body: body}
	for name, values := range header {
		if !slices.Contains([]string{"Date", "Content-Length"}, name) {
			a.Header = append(a.Header, [2]string{name, values[0]})
		}
	}
	return a
}

// serveAnswers is the server that the program's reads are compared with: Fiber with
// its defaults, the same routes, and handlers that do nothing but answer what the
// program answered. It serves the answers in the input until that ends.
func serveAnswers(in io.Reader) error {
	input := json.NewDecoder(in)
	var routes answers
	if err := input.Decode(&routes); err != nil {
		return err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	for route, answer := range routes {
		app.Get(route, func(c *fiber.Ctx) error {
			for _, header := range answer.Header {
				c.Set(header[0], header[1])
			}
			return c.Send(answer.Body)
		})
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		_ = input.Decode(&routes) // until it ends
		_ = app.Shutdown()
	}()
	return app.Listener(ln)
}
