package mongodb

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/widgetd/widgetd/domain"
)

// An active administrator stays in the database, also when several servers take the role
// away from different accounts at the same time, and when a server stops in the middle.
// There is no transaction. To take the role away from an account (also by disabling or
// deleting it), a server makes three writes:
//
//  1. It sets the field "leaving" of the account to a random id, unless the account has
//     this field already. The account stays an administrator.
//  2. It finds a witness by a write: another account that is an active administrator
//     without the field leaving at the time of the write.
//  3. It changes the account, if the field leaving still has the same id, and removes the
//     field.
//
// Why an administrator stays: assume that the role was taken from all of them. Let A be
// the account whose field leaving was set last. Its witness W was an active administrator
// without this field later than that. But the field of W was set earlier, and stayed
// until W lost the role. This contradicts the assumption.
//
// The steps 1 and 2 also set the field "touched" to a random id, so that the document
// changes and a majority of the replica set confirms the write. A read, or an update that
// changes nothing, could return old data from a primary that has lost its majority.
//
// A server that finds no witness in step 2 removes the field leaving of all other
// administrators and repeats step 2. So a field that a stopped server left behind does no
// harm. A running server whose field is removed fails in step 3 and begins again after a
// random pause.
const (
	leavingField = "leaving"
	touchedField = "touched"
)

const (
	// leaveAttempts is how often a server begins with step 1.
	leaveAttempts = 5

	// leavePause is the maximum of the first pause. Each later maximum is twice the
	// one before.
	leavePause = 20 * time.Millisecond
)

// errLeaving is the error of an attempt that another server has interfered with. The
// attempt may be repeated.
var errLeaving = errors.New("mongodb: another server takes the role of an administrator away at the same time")

// leave takes the role away from an active administrator: write is step 3. It makes three
// round trips, or more if other servers do the same at the same time. It returns
// ErrLastAdministrator if there is no other active administrator, or if other servers
// interfere with every attempt.
func (u *userRepository) leave(ctx context.Context, current domain.User, write write) error {
	longest := leavePause
	for range leaveAttempts - 1 {
		err := u.tryToLeave(ctx, current, write)
		if !errors.Is(err, errLeaving) {
			return err
		}
		if err := pause(ctx, longest); err != nil {
			return err
		}
		longest *= 2
	}
	err := u.tryToLeave(ctx, current, write)
	if errors.Is(err, errLeaving) {
		return domain.ErrLastAdministrator
	}
	return err
}

// tryToLeave makes the three steps once. It returns errLeaving if another server has
// interfered.
func (u *userRepository) tryToLeave(ctx context.Context, current domain.User, write write) error {
	leaving, err := u.startToLeave(ctx, current)
	if err != nil {
		return err
	}
	if err := u.findWitness(ctx, current.PublicID); err != nil {
		return u.stay(ctx, current.PublicID, leaving, err)
	}
	left, err := write(ctx, leaving)
	if err != nil || left {
		return err
	}
	return u.stay(ctx, current.PublicID, leaving, u.interference(ctx, current))
}

// startToLeave makes step 1 and returns the condition for step 3. A time-ordered id and
// the operator $min keep the field leaving of an earlier server, which may take the role
// away from the same account.
func (u *userRepository) startToLeave(ctx context.Context, current domain.User) (leaving bson.E, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return bson.E{}, err
	}
	update := append(u.touching(),
		bson.E{Key: "$min", Value: bson.D{{Key: leavingField, Value: binary(domain.UUID(id))}}})
	doc, err := u.modify(ctx, u.unchanged(current), update, false)
	if errors.Is(err, domain.NotFound) {
		return bson.E{}, u.mismatch(ctx, current.PublicID)
	}
	if err != nil {
		return bson.E{}, err
	}
	return bson.E{Key: leavingField, Value: doc.Lookup(leavingField)}, nil
}

// findWitness makes step 2. It returns ErrLastAdministrator if there is no other active
// administrator, and errLeaving if all others are leaving.
func (u *userRepository) findWitness(ctx context.Context, id domain.UUID) error {
	others := append(bson.D{
		{Key: "admin", Value: true},
		{Key: "_id", Value: bson.D{{Key: "$ne", Value: binary(id)}}},
		{Key: "password_hash", Value: bson.D{{Key: "$type", Value: "string"}, {Key: "$not", Value: ofType("array")}}}, // $type also matches the elements of an array
	}, u.readable(false)...)
	cleared := 0
	for range 2 {
		found, err := u.update(ctx, with(others, hasLeaving(false)), u.touching())
		if err != nil || found {
			return err
		}
		n, err := u.updateAll(ctx, with(others, hasLeaving(true)), bson.D{unsetLeaving()})
		if err != nil {
			return err
		}
		cleared += n
	}
	if cleared > 0 {
		return errLeaving
	}
	return domain.ErrLastAdministrator
}

// interference returns the reason why step 3 found another account than step 1.
func (u *userRepository) interference(ctx context.Context, current domain.User) error {
	now, err := u.ByPublicID(ctx, current.PublicID)
	switch {
	case err != nil:
		return err
	case !now.SameAccess(current):
		return domain.ChangedMeanwhile
	}
	return errLeaving
}

// stay removes the field leaving of an account that keeps the role, and returns the
// reason. If the reason is that the store does not answer, the field stays, which does no
// harm.
func (u *userRepository) stay(ctx context.Context, id domain.UUID, leaving bson.E, reason error) error {
	if errors.Is(reason, domain.Unavailable) {
		return reason
	}
	_, _ = u.update(ctx, bson.D{byID(binary(id)), leaving}, bson.D{unsetLeaving()})
	return reason
}

// touching returns an update that changes the document of an active administrator. It
// gives the document the latest version, and the field that earlier versions lack.
func (u *userRepository) touching() bson.D {
	return bson.D{{Key: "$set", Value: bson.D{
		u.schema.version(),
		{Key: "disabled", Value: false},
		{Key: touchedField, Value: binary(domain.UUID(uuid.New()))},
	}}}
}

// unsetLeaving returns the part of an update that removes the field leaving.
func unsetLeaving() bson.E {
	return bson.E{Key: "$unset", Value: bson.D{{Key: leavingField, Value: ""}}}
}

// hasLeaving returns the condition that an account has the field leaving or not.
func hasLeaving(has bool) bson.E { return bson.E{Key: leavingField, Value: exists(has)} }

// with returns a copy of the filter with another condition.
func with(filter bson.D, condition bson.E) bson.D {
	return append(filter[:len(filter):len(filter)], condition)
}

// pause waits for a random time, or until the context ends.
func pause(ctx context.Context, longest time.Duration) error {
	if err := sleep(ctx, rand.N(longest)); err != nil { //nolint:gosec // the time of a pause is not a secret
		return unavailable(err)
	}
	return nil
}
