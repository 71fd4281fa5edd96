package mongodb

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// waitingCalls are the calls of Begin of this server that wait until attempts of a key have
// ended. One of them asks the database, the others wait for their turn.
type waitingCalls struct {
	number int
	turn   chan struct{} // holds an element while a call asks the database
	ended  chan struct{} // gets an element when an attempt of this server has ended
}

// await is tryBegin again and again, until it does not return errBusy.
func (l *attemptLimiter) await(ctx context.Context, limit domain.AttemptLimit, id bson.Binary) (attemptCounter, error) {
	calls, err := l.join(id)
	if err != nil {
		return attemptCounter{}, err
	}
	defer l.leave(id)
	select {
	case calls.turn <- struct{}{}:
		defer func() { <-calls.turn }()
	case <-ctx.Done():
		return attemptCounter{}, unavailable(ctx.Err())
	}
	for {
		c, err := l.tryBegin(ctx, limit, id)
		if !errors.Is(err, errBusy) {
			return c, err
		}
		poll := time.NewTimer(pollPause)
		select {
		case <-calls.ended:
			poll.Stop()
		case <-poll.C:
		case <-ctx.Done():
			poll.Stop()
			return attemptCounter{}, unavailable(ctx.Err())
		}
	}
}

// join adds a call to those that wait. It returns Unavailable if they are too many.
func (l *attemptLimiter) join(id bson.Binary) (*waitingCalls, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.waiting[string(id.Data)]
	if calls == nil {
		calls = &waitingCalls{turn: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
		l.waiting[string(id.Data)] = calls
	}
	if calls.number >= maxWaiting {
		return nil, unavailable(errors.New("mongodb: too many attempts of one client are waiting"))
	}
	calls.number++
	return calls, nil
}

// leave removes a call from those that wait.
func (l *attemptLimiter) leave(id bson.Binary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.waiting[string(id.Data)]
	calls.number--
	if calls.number == 0 {
		delete(l.waiting, string(id.Data))
	}
}

// wake wakes the call whose turn it is.
func (l *attemptLimiter) wake(id bson.Binary) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if calls := l.waiting[string(id.Data)]; calls != nil {
		select {
		case calls.ended <- struct{}{}:
		default: // the call is woken already
		}
	}
}
