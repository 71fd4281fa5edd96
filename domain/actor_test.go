package domain_test

import (
	"testing"

	"github.com/widgetd/widgetd/domain"
)

func TestActor(t *testing.T) {
	t.Parallel()
	claims := domain.Claims{Subject: domain.UUID{15: 1}, Admin: true}
	for want, actor := range map[string]domain.Actor{
		"":                                     {},
		"operator":                             domain.Operator(),
		"00000000-0000-0000-0000-000000000001": domain.ActorOf(claims),
	} {
		if got := actor.String(); got != want || actor.IsOperator() != (want == "operator") {
			t.Errorf("got %q, operator %v; want %q", got, actor.IsOperator(), want)
		}
	}
	if got := domain.ActorOf(claims).Claims(); got != claims {
		t.Errorf("got the claims %+v", got)
	}
}
