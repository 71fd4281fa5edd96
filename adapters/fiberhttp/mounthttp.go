package fiberhttp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Handler returns the API as a handler of package net/http, for a program that has routes
// of its own. It may be mounted under a prefix with [http.StripPrefix]. Then the prefix is
// in front of the links, unless [Config.BaseURL] has a path.
//
// The handlers of the API respond as they do under Serve: with the same status and body. They
// refuse a body of more than 64 KiB, headers of more than 8 KiB, and two Authorization
// headers. A GET or HEAD ends when its client disconnects.
//
// The outer server controls the connections: their number and timeouts, and TLS. Requests
// that it cannot read, and headers that are too large for it, get its own responses. Set
// its timeouts: without them, a slow client holds a connection and up to 72 KiB for any
// time.
func (s *Server) Handler() http.Handler {
	s.fiber.Handler() // builds the tree of the routes
	return http.HandlerFunc(s.serveHTTP)
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	path, prefix := mountedPath(r)
	var ctx fasthttp.RequestCtx
	ctx.Init(&fasthttp.Request{}, remoteAddr(r), nil)
	copyHead(&ctx.Request.Header, r, targetOf(path, r.URL.RawQuery))
	body, err := readMounted(w, r, &ctx.Request.Header)
	ctx.Request.SetBodyRaw(body)
	s.serveMounted(&ctx, newMount(r.Context(), r.Method, prefix, path), err)
	if err != nil && r.ProtoMajor == 1 { // HTTP/2 has no such header
		w.Header().Set(fiber.HeaderConnection, "close")
	}
	writeResponse(w, r, &ctx.Response)
}

// mountedPath returns the escaped path that the outer server has left, and the prefix that
// it has removed.
func mountedPath(r *http.Request) (path, prefix string) {
	path = r.URL.EscapedPath()
	if path != "" && path[0] != '/' { // http.StripPrefix with a slash at the end
		path = "/" + path
	}
	prefix = prefixOf(r.RequestURI, path)
	if path == "" && strings.HasSuffix(prefix, "/") {
		path = "/"
	}
	return path, prefix
}

// remoteAddr returns the address of the client. A middleware of the outer server may have
// set one without a port.
func remoteAddr(r *http.Request) net.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		ip, _ := netip.ParseAddr(r.RemoteAddr) // the zero address if there is none
		addr = netip.AddrPortFrom(ip, 0)
	}
	return net.TCPAddrFromAddrPort(addr)
}

// copyHead copies the request line and the headers. The header Connection is for the outer
// server.
func copyHead(to *fasthttp.RequestHeader, r *http.Request, target string) {
	to.SetMethod(r.Method)
	to.SetRequestURI(target)
	to.SetHost(r.Host)
	for name, values := range r.Header {
		if name == fiber.HeaderConnection {
			continue
		}
		for _, value := range values {
			to.Add(name, value)
		}
	}
}

// readMounted checks the headers of a request, of which header is the copy, and reads its
// body.
func readMounted(w http.ResponseWriter, r *http.Request, header *fasthttp.RequestHeader) ([]byte, error) {
	if err := checkHead(header, headBytes(r)); err != nil {
		return nil, err
	}
	switch {
	case len(r.Header.Values(fiber.HeaderContentType)) > 1: // the copy has the last one
		return nil, fiber.ErrBadRequest
	case r.ContentLength > maxBodyBytes:
		return nil, fasthttp.ErrBodyTooLarge
	case r.Body == nil:
		return nil, nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = fasthttp.ErrBodyTooLarge
	}
	return body, err
}

// headBytes returns the size of the request line and the headers as HTTP/1.1 writes them.
func headBytes(r *http.Request) int {
	const lineBytes = len(": \r\n")
	size := len(r.Method) + len(r.RequestURI) + len("  HTTP/1.1\r\n\r\n") + len("Host") + len(r.Host) + lineBytes
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + lineBytes
		}
	}
	return size
}

func writeResponse(w http.ResponseWriter, r *http.Request, response *fasthttp.Response) {
	header, status := w.Header(), response.StatusCode()
	responseHeaders(response, header.Set, header.Add)
	if status != http.StatusNoContent && status != http.StatusNotModified {
		header.Set(fiber.HeaderContentLength, strconv.Itoa(len(response.Body())))
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(response.Body()) // an error means that the client went away
	}
}
