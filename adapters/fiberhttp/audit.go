package fiberhttp

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
)

// The outcomes of refused requests that [domain.OutcomeOf] does not have.
const (
	outcomeRateLimited     = "rate limited"
	outcomeTooLarge        = "too large"
	outcomeUnsupportedType = "unsupported media type"
	outcomeTimedOut        = "timed out"
)

// The names of the parameters in the patterns of routes.
const (
	nameParameter = "name"
	idParameter   = "public_id"
)

// UseCaseAudit returns an audit record for the use cases that a [Server] calls. Every
// use case records its operation. The server records the requests that no use case has
// recorded, for example a request without a token. To tell them apart, the method Record
// of the returned record marks the request that the context belongs to.
func UseCaseAudit(audit ports.Audit) ports.Audit { return useCaseAudit{audit} }

type useCaseAudit struct{ ports.Audit }

// Record implements [ports.Audit].
func (a useCaseAudit) Record(ctx context.Context, event domain.AuditEvent) error {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		r.recorded = true
	}
	return a.Audit.Record(ctx, event)
}

// write is a route whose requests are in the audit record: a write, a log-in or a
// log-out.
type write struct {
	method, pattern string
	action          domain.AuditAction
}

// routeWrite adds a route whose requests are in the audit record.
func (s *Server) routeWrite(method, pattern string, action domain.AuditAction, handlers ...fiber.Handler) {
	s.writes = append(s.writes, write{method, pattern, action})
	s.fiber.Add(method, pattern, handlers...)
}

// recordRefusal records a write that no use case has recorded. It returns err, the reason
// for the refusal of the request. It returns Unavailable and records nothing if the audit
// record takes no entries: otherwise the entries of refused requests could fill the memory.
func (s *Server) recordRefusal(c *fiber.Ctx, r *request, err error) (refusal error) {
	defer s.recovered(r, &refusal)
	if r.recorded || r.method == fiber.MethodGet || r.method == fiber.MethodHead {
		return err
	}
	path := strings.TrimRight(c.Path(), "/")
	w, found := s.writeOf(r.method, path)
	if !found {
		return err
	}
	if err := s.audit.Ready(r); err != nil {
		return err
	}
	actor := domain.ActorOf(r.claims).String()
	_ = s.audit.Record(r, domain.AuditEvent{ // keeps the entry also if it returns an error
		Action:  cmp.Or(r.action, w.action),
		Target:  w.target(path, actor),
		Actor:   actor,
		Outcome: outcomeOf(err),
	})
	return err
}

// writeOf returns the write with the given method whose pattern matches the path. It
// needs no router: a request that could not be read has not reached the router.
func (s *Server) writeOf(method, path string) (write, bool) {
	for _, w := range s.writes {
		if w.method == method && fiber.RoutePatternMatch(path, w.pattern, fiber.Config{CaseSensitive: true}) {
			return w, true
		}
	}
	return write{}, false
}

// target returns the target of a request for the audit record: the valid name or id in
// its path, the actor for a write of the actor's own account, and "" for others.
func (w write) target(path, actor string) string {
	if strings.HasPrefix(w.pattern, authPath+"/") {
		return actor
	}
	parameter, text := parameterOf(w.pattern, path)
	switch parameter {
	case nameParameter:
		name, _ := domain.ParseWidgetName(lowerASCII(unescape(text)))
		return name.String()
	case idParameter:
		if id, err := parseID(unescape(text)); err == nil {
			return id.String()
		}
	}
	return ""
}

// parameterOf returns the name of a pattern's parameter, and the segment of the path that
// stands for it.
func parameterOf(pattern, path string) (name, text string) {
	segments := strings.Split(path, "/")
	for i, segment := range strings.Split(pattern, "/") {
		if name, found := strings.CutPrefix(segment, ":"); found && i < len(segments) {
			return name, segments[i]
		}
	}
	return "", ""
}

// outcomeOf returns the outcome of a request for the audit record.
func outcomeOf(err error) string {
	if _, ok := errors.AsType[*limitReachedError](err); ok {
		return outcomeRateLimited
	}
	if kind := kindOf(err); kind != "" {
		return domain.OutcomeOf(kind)
	}
	e, ok := errors.AsType[*fiber.Error](err)
	if !ok {
		return domain.OutcomeOf(err)
	}
	switch e.Code {
	case fiber.StatusBadRequest:
		return domain.OutcomeOf(domain.Invalid)
	case fiber.StatusRequestTimeout:
		return outcomeTimedOut
	case fiber.StatusRequestEntityTooLarge:
		return outcomeTooLarge
	case fiber.StatusUnsupportedMediaType:
		return outcomeUnsupportedType
	}
	return domain.OutcomeOf(err)
}
