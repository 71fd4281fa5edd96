package conformance

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// The numbers of records that a benchmark adds before it measures.
const (
	benchmarkWidgets = 1000
	benchmarkUsers   = 100
	benchmarkTokens  = 100
)

// BenchmarkStore measures a store. It calls [BenchmarkUserRepository],
// [BenchmarkWidgetRepository] and [BenchmarkTokenBlacklist]. Each call of open returns a
// new, empty store.
//
// Each operation has two benchmarks: Alone calls it in one goroutine, and Together in 32
// goroutines per CPU.
func BenchmarkStore(b *testing.B, open func(b *testing.B) ports.Store) {
	b.Run("Users", func(b *testing.B) {
		BenchmarkUserRepository(b, func(b *testing.B) ports.UserRepository { return open(b).Users() })
	})
	b.Run("Widgets", func(b *testing.B) {
		BenchmarkWidgetRepository(b, func(b *testing.B) ports.WidgetRepository { return open(b).Widgets() })
	})
	b.Run("Blacklist", func(b *testing.B) {
		BenchmarkTokenBlacklist(b, func(b *testing.B) ports.TokenBlacklist { return open(b).Blacklist() })
	})
}

// BenchmarkUserRepository measures a repository with 100 accounts; see [BenchmarkStore].
func BenchmarkUserRepository(b *testing.B, open func(b *testing.B) ports.UserRepository) {
	users := open(b)
	existing := make([]domain.User, benchmarkUsers)
	for i := range existing {
		existing[i] = sample.User(i)
	}
	noError(b, errorOf(users.AddAll(b.Context(), existing)))
	some := existing[benchmarkUsers/3]
	measure(b, []operation{
		{"ByPublicID", func(ctx context.Context, _ int) error { return errorOf(users.ByPublicID(ctx, some.PublicID)) }},
		{"ByEmail", func(ctx context.Context, _ int) error { return errorOf(users.ByEmail(ctx, some.Email)) }},
		{"FirstPage", func(ctx context.Context, _ int) error { return errorOf(users.List(ctx, sample.Page(1, 10))) }},
		{"LastPage", func(ctx context.Context, _ int) error {
			return errorOf(users.List(ctx, sample.Page(benchmarkUsers/10, 10)))
		}},
		{"Add", func(ctx context.Context, n int) error { return users.Add(ctx, sample.User(benchmarkUsers+n)) }},
	})
}

// BenchmarkWidgetRepository measures a repository with 1,000 widgets of two owners; see
// [BenchmarkStore]. Pages and slices have ten widgets, at the beginning and at the end of
// the list.
func BenchmarkWidgetRepository(b *testing.B, open func(b *testing.B) ports.WidgetRepository) {
	widgets := open(b)
	existing := sample.Widgets(benchmarkWidgets)
	for i := range existing {
		existing[i].Owner.PublicID = sample.ID(i % 2)
	}
	noError(b, errorOf(widgets.AddAll(b.Context(), existing)))
	some := existing[benchmarkWidgets/3].Name
	always := domain.Condition{Match: &domain.Versions{Every: true}}
	measure(b, []operation{
		{"ByName", func(ctx context.Context, _ int) error { return errorOf(widgets.ByName(ctx, some)) }},
		{"FirstPage", func(ctx context.Context, _ int) error { return errorOf(widgets.List(ctx, sample.Page(1, 10))) }},
		{"LastPage", func(ctx context.Context, _ int) error {
			return errorOf(widgets.List(ctx, sample.Page(benchmarkWidgets/10, 10)))
		}},
	})
	measure(b, sliceReads(b, widgets))
	measure(b, []operation{
		{"Add", func(ctx context.Context, n int) error {
			return widgets.Add(ctx, sample.Widget(fmt.Sprintf("added-%d", n)))
		}},
		{"AddAllOf100", func(ctx context.Context, n int) error {
			batch := make([]domain.Widget, 100)
			for i := range batch {
				batch[i] = sample.Widget(fmt.Sprintf("batch-%d-%d", n, i))
			}
			return errorOf(widgets.AddAll(ctx, batch))
		}},
		{"Update", func(ctx context.Context, n int) error {
			return errorOf(widgets.Update(ctx, some, changeTo(strconv.Itoa(n)), always))
		}},
	})
}

// sliceReads returns reads of the first and of a late part of each kind of list.
func sliceReads(b *testing.B, widgets ports.WidgetRepository) (reads []operation) {
	owner := sample.ID(1)
	for _, query := range []domain.WidgetQuery{
		{Sort: domain.ByCreation},
		{Sort: domain.ByCreation, Owner: &owner},
		{Sort: domain.ByDeadline},
		{Sort: domain.ByDeadline, Reverse: true},
		{Sort: domain.ByDeadline, Owner: &owner},
	} {
		late, err := widgets.Slice(b.Context(), query, "", benchmarkWidgets/2-10)
		noError(b, err)
		read := func(name, position string) operation {
			return operation{name + "/" + query.String(), func(ctx context.Context, _ int) error {
				return errorOf(widgets.Slice(ctx, query, position, 10))
			}}
		}
		reads = append(reads, read("FirstSlice", ""), read("LateSlice", late.Next))
	}
	return reads
}

// BenchmarkTokenBlacklist measures a blacklist with 100 logged-out tokens and 100 cut-offs;
// see [BenchmarkStore].
func BenchmarkTokenBlacklist(b *testing.B, open func(b *testing.B) ports.TokenBlacklist) {
	blacklist := open(b)
	fill(b, blacklist)
	loggedOut, good, ended := claimsOf(token(1, time.Hour)), claimsOf(token(-1, time.Hour)), claimsOf(token(-1, time.Hour))
	ended.Subject = sample.ID(1)
	measure(b, []operation{
		{"CheckLoggedOut", func(ctx context.Context, _ int) error { return errorOf(blacklist.Check(ctx, loggedOut)) }},
		{"CheckGood", func(ctx context.Context, _ int) error { return errorOf(blacklist.Check(ctx, good)) }},
		{"CheckWithCutOff", func(ctx context.Context, _ int) error { return errorOf(blacklist.Check(ctx, ended)) }},
		{"Count", func(ctx context.Context, _ int) error { return errorOf(blacklist.Count(ctx)) }},
		{"Purge", func(ctx context.Context, _ int) error { return errorOf(blacklist.Purge(ctx, sample.Time())) }},
		{"Add", func(ctx context.Context, n int) error {
			return blacklist.Add(ctx, token(2*benchmarkTokens+n, time.Hour))
		}},
		{"EndTokens", func(ctx context.Context, n int) error {
			return blacklist.EndTokens(ctx, cutOff(2*benchmarkTokens+n, n, time.Hour))
		}},
	})
}

// BenchmarkTokenSigner measures a signer. VerifySame verifies one token again and again, and
// VerifyOthers more tokens than most caches hold. For open see [TokenSigner].
func BenchmarkTokenSigner[K SigningKey](b *testing.B, open func(b *testing.B, key K) ports.TokenSigner) {
	signer := open(b, newSigningKey[K]())
	tokens := make([]string, 20_000)
	claims := sampleClaims()
	for n := range tokens {
		var err error
		claims.ID = sample.ID(n)
		tokens[n], err = signer.Sign(claims)
		noError(b, err)
	}
	forged := tokens[0] + "A"
	measure(b, []operation{
		{"Sign", func(context.Context, int) error { return errorOf(signer.Sign(claims)) }},
		{"VerifySame", func(context.Context, int) error { return errorOf(signer.Verify(tokens[0])) }},
		{"VerifyOthers", func(_ context.Context, n int) error { return errorOf(signer.Verify(tokens[n%len(tokens)])) }},
		{"VerifyForged", func(context.Context, int) error {
			if _, err := signer.Verify(forged); !errors.Is(err, domain.ErrTokenInvalid) {
				return errors.New("a forged token was not refused")
			}
			return nil
		}},
	})
}

// BenchmarkPasswordHasher measures a hasher. Open should return it with the parameters that
// the program uses.
func BenchmarkPasswordHasher(b *testing.B, open func(b *testing.B) ports.PasswordHasher) {
	hasher := open(b)
	password := sample.Password("correct horse battery staple")
	hash, err := hasher.Hash(b.Context(), password)
	noError(b, err)
	measure(b, []operation{
		{"Hash", func(ctx context.Context, _ int) error { return errorOf(hasher.Hash(ctx, password)) }},
		{"Verify", func(ctx context.Context, _ int) error {
			_, _, err := hasher.Verify(ctx, hash, password)
			return err
		}},
	})
}

// operation is a call that is measured. n differs in each call.
type operation struct {
	name string
	call func(ctx context.Context, n int) error
}

// measure runs the benchmarks Alone and Together of each operation.
func measure(b *testing.B, operations []operation) {
	var last atomic.Int64
	for _, operation := range operations {
		call := func(ctx context.Context) error { return operation.call(ctx, int(last.Add(1))) }
		b.Run(operation.name+"/Alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				noError(b, call(b.Context()))
			}
		})
		b.Run(operation.name+"/Together", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(b.Context()); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// fill adds at least benchmarkTokens tokens and cut-offs, several at a time.
func fill(b *testing.B, blacklist ports.TokenBlacklist) {
	for first := 1; first <= benchmarkTokens; first += contenders {
		for _, err := range race(contenders, func(i int) error {
			n := first + i
			return errors.Join(blacklist.EndTokens(b.Context(), cutOff(n, n, time.Hour)), blacklist.Add(b.Context(), token(n, time.Hour)))
		}) {
			noError(b, err)
		}
	}
}

func noError(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
