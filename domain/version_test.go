package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
)

func TestFirstVersionGrowsWithTheTime(t *testing.T) {
	t.Parallel()
	at := moment("2026-11-22T06:55:07.123456Z")
	if got := domain.FirstVersion(at); got != 1795330507123456 {
		t.Errorf("got %d", got)
	}
	if later := domain.FirstVersion(at.Add(time.Microsecond)); later != domain.FirstVersion(at)+1 {
		t.Errorf("a microsecond later it is %d", later)
	}
	if local := domain.FirstVersion(at.In(time.FixedZone("CET", 3600))); local != domain.FirstVersion(at) {
		t.Errorf("in another zone it is %d", local)
	}
}

func TestVersionsHas(t *testing.T) {
	t.Parallel()
	for how, test := range map[string]struct {
		versions domain.Versions
		want     bool
	}{
		"the zero value": {domain.Versions{}, false},
		"an empty list":  {domain.Versions{List: []domain.Version{}}, false},
		"every":          {domain.Versions{Every: true}, true},
		"every and some": {domain.Versions{Every: true, List: []domain.Version{6}}, true},
		"the version":    {domain.Versions{List: []domain.Version{7}}, true},
		"several":        {domain.Versions{List: []domain.Version{8, 6, 7}}, true},
		"others":         {domain.Versions{List: []domain.Version{6, 8, 77, -7, 0}}, false},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			if got := test.versions.Has(7); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestCondition(t *testing.T) {
	t.Parallel()
	every, none := &domain.Versions{Every: true}, &domain.Versions{}
	seven, eight := &domain.Versions{List: []domain.Version{7}}, &domain.Versions{List: []domain.Version{8}}
	for how, test := range map[string]struct {
		condition                         domain.Condition
		allows, missing, existing, isNone bool
	}{
		"none":                        {domain.Condition{}, true, true, true, true},
		"match it":                    {domain.Condition{Match: seven}, true, false, true, false},
		"match another":               {domain.Condition{Match: eight}, false, false, true, false},
		"match every":                 {domain.Condition{Match: every}, true, false, true, false},
		"match none":                  {domain.Condition{Match: none}, false, false, true, false},
		"none-match it":               {domain.Condition{NoneMatch: seven}, false, true, true, false},
		"none-match another":          {domain.Condition{NoneMatch: eight}, true, true, true, false},
		"none-match every":            {domain.Condition{NoneMatch: every}, false, true, false, false},
		"none-match none":             {domain.Condition{NoneMatch: none}, true, true, true, false},
		"match it, none-match it":     {domain.Condition{Match: seven, NoneMatch: seven}, false, false, true, false},
		"match it, none-match other":  {domain.Condition{Match: seven, NoneMatch: eight}, true, false, true, false},
		"match every, none-match all": {domain.Condition{Match: every, NoneMatch: every}, false, false, false, false},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := test.condition
			if c.Allows(7) != test.allows || c.AllowsMissing() != test.missing || c.AllowsExisting() != test.existing || c.IsNone() != test.isNone {
				t.Errorf("Allows %t, AllowsMissing %t, AllowsExisting %t, IsNone %t", c.Allows(7), c.AllowsMissing(), c.AllowsExisting(), c.IsNone())
			}
			err := c.Check(7)
			if test.allows && err != nil || !test.allows && !errors.Is(err, domain.ChangedMeanwhile) {
				t.Errorf("Check returned %v", err)
			}
		})
	}
}
