package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
)

// opponent is an HTTP server that the program is compared with. This program runs it in
// a process of its own; see [startOpponent]. Its exported fields are its configuration.
type opponent interface {
	// serve serves until the process ends.
	serve(net.Listener) error
}

// opponents returns the opponents by the value of the flag --serve.
func opponents() map[string]opponent {
	return map[string]opponent{"fiber": &bareServer{}, "fasthttp": &rawServer{}, "usual": &usualService{}}
}

// serveOpponent reads the configuration of an opponent from in, prints the address, and
// serves until in ends.
func serveOpponent(name string, in io.Reader) error {
	input := json.NewDecoder(in)
	server := opponents()[name]
	if err := input.Decode(server); err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	go func() {
		_ = input.Decode(server) // returns when the input ends
		os.Exit(0)
	}()
	return server.serve(ln)
}
