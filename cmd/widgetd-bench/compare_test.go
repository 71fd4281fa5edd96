package main

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		of   []float64
		want float64
	}{
		"one":   {[]float64{3}, 3},
		"two":   {[]float64{4, 1}, 2.5},
		"three": {[]float64{9, 1, 2}, 2},
		"four":  {[]float64{9, 1, 2, 3}, 2.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := slices.Clone(test.of)
			if got := median(test.of); got != test.want {
				t.Errorf("median(%v) = %v, want %v", test.of, got, test.want)
			}
			if !slices.Equal(test.of, given) {
				t.Errorf("median reordered %v to %v", given, test.of)
			}
		})
	}
}

// scripted returns a side whose rounds have the given numbers of requests. It appends
// its calls to order.
func scripted(name string, order *[]string, requests ...int) side {
	return side{
		name:    name,
		prepare: func(time.Duration) error { *order = append(*order, "prepare "+name); return nil },
		close:   func() error { *order = append(*order, "close "+name); return nil },
		run: func(time.Duration) (measured, error) {
			*order = append(*order, name)
			n := requests[0]
			requests = requests[1:]
			return measured{requests: n, elapsed: time.Second, latency: newHistogram()}, nil
		},
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	var order []string
	// The first round of each side is not counted.
	found, err := runCommand{Rounds: 3, Round: time.Second}.compare(t.Context(), comparison{
		"reads", atLeast(0.5, 0), scripted("a", &order, 1, 50, 80, 90), scripted("b", &order, 9, 100, 100, 100),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a", "b", "a", "b", "b", "a", "a", "b"}
	for i, name := range want {
		if got := order[2*i : 2*i+2]; got[0] != "prepare "+name || got[1] != name {
			t.Errorf("the calls of round %d are %v, want prepare %s, %s", i, got, name, name)
		}
	}
	if r := found.Ratio; r.Median != 0.8 || r.Lowest != 0.5 || r.Highest != 0.9 || !slices.Equal(r.Rounds, []float64{0.5, 0.8, 0.9}) {
		t.Errorf("the ratio is %+v, want 0.8 (0.5–0.9) of 0.5, 0.8, 0.9", r)
	}
	if !slices.Equal(order[len(order)-2:], []string{"close a", "close b"}) {
		t.Errorf("the last calls are %v, want close a, close b", order[len(order)-2:])
	}
	if found.Program.PerSecond != 80 || len(found.Program.Rounds) != 3 || found.Opponent.PerSecond != 100 {
		t.Errorf("the results are %+v and %+v, want medians of 80 and 100 and three rounds", found.Program, found.Opponent)
	}
}

func TestCompareReturnsTheErrorOfARound(t *testing.T) {
	t.Parallel()
	fails := side{name: "b", run: func(time.Duration) (measured, error) { return measured{}, errors.New("refused") }}
	var order []string
	_, err := runCommand{Rounds: 1, Round: time.Second}.compare(t.Context(), comparison{"reads", target{}, scripted("a", &order, 1), fails})
	wantError(t, err, "reads, b: refused")
}
