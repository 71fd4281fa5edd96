package concurrency

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/widgetd/widgetd/domain"
)

func TestAcquireLimitsEachClientSeparately(t *testing.T) {
	t.Parallel()
	const limit = 3
	l := NewLimiter(limit)
	one, another := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/64")
	var releases []func()
	for range limit {
		release, err := l.Acquire(one)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	if _, err := l.Acquire(one); !errors.Is(err, domain.Unavailable) {
		t.Errorf("one more: %v, want Unavailable", err)
	}
	release, err := l.Acquire(another)
	if err != nil {
		t.Fatalf("another client: %v", err)
	}
	release()
	releases[0]()
	if releases[0], err = l.Acquire(one); err != nil {
		t.Errorf("after a release: %v", err)
	}
	for _, release := range releases {
		release()
	}
	if len(l.active) > 0 {
		t.Errorf("the limiter remembers %d clients with nothing in progress", len(l.active))
	}
}
