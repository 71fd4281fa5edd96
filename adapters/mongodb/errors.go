package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/widgetd/widgetd/domain"
)

// translate converts an error of the driver into an error of one of the domain's
// kinds. If no kind fits, it wraps the error, and the result has no kind.
func translate(err error) error {
	var write mongo.WriteException
	var bulk mongo.BulkWriteException
	switch {
	case err == nil:
		return nil
	case errors.As(err, &write) && write.WriteConcernError != nil:
		return unavailable(write.WriteConcernError) // also for a duplicate key: the document found may not be durable
	case errors.As(err, &bulk) && bulk.WriteConcernError != nil:
		return unavailable(bulk.WriteConcernError)
	case errors.Is(err, mongo.ErrNoDocuments):
		return domain.NotFound
	case isUnavailable(err):
		return unavailable(err)
	case mongo.IsDuplicateKeyError(err):
		return domain.AlreadyExists // without the cause, whose text contains the key
	}
	return fmt.Errorf("mongodb: %w", err)
}

func unavailable(cause error) error {
	return &domain.Error{Kind: domain.Unavailable, RetryAfter: retryAfter(cause), Err: cause}
}

// throttledFor matches the number of milliseconds in the message of a throttled command of
// Azure Cosmos DB.
var throttledFor = regexp.MustCompile(`\bRetryAfterMs=(\d{1,9})\b`)

// retryAfter returns the time that the server has named in the error of a throttled
// command, or zero.
func retryAfter(err error) time.Duration {
	if !hasCode(err, throttled) {
		return 0
	}
	found := throttledFor.FindStringSubmatch(err.Error())
	if found == nil {
		return 0
	}
	milliseconds, _ := strconv.Atoi(found[1]) // nine digits fit
	return time.Duration(milliseconds) * time.Millisecond
}

// Error codes of the server, from error_codes.yml in MongoDB's sources.
const (
	unauthorized         = 13
	authenticationFailed = 18
	atlasError           = 8000 // MongoDB Atlas: rejected credentials, or over a quota
	notWritablePrimary   = 10107
	badValue             = 2
	throttled            = 16500 // Azure Cosmos DB: too many requests
)

// isUnavailable reports whether the outcome of the operation is unknown, or a
// retry may succeed.
func isUnavailable(err error) bool {
	if isRefusal(err) {
		return false // the driver reports rejected credentials as a connection error
	}
	var server mongo.ServerError
	var dns *net.DNSError
	return errors.Is(err, context.Canceled) ||
		errors.Is(err, mongo.ErrClientDisconnected) ||
		errors.Is(err, topology.ErrPoolClosed) || // during Close
		errors.As(err, &dns) ||
		isPoolCleared(err) ||
		mongo.IsTimeout(err) ||
		mongo.IsNetworkError(err) ||
		errors.As(err, &server) && (hasTransientLabel(server) || slices.ContainsFunc(server.ErrorCodes(), isTransient))
}

// isPoolCleared reports whether the driver could not send the command, because it had just
// closed all connections to the server after the error of another command. An earlier
// attempt of the driver may have been executed, unless it makes only one.
func isPoolCleared(err error) bool {
	var pool interface{ Retryable() bool } // an unexported error type
	return errors.As(err, &pool) && pool.Retryable()
}

// isUnsent reports whether the driver did not send the command at all, because of an error
// of isPoolCleared in its first attempt. The driver repeats a command after most errors of
// connections, but not after this one. The label shows that it was the first attempt.
func isUnsent(err error) bool {
	var server mongo.ServerError
	return isPoolCleared(err) && errors.As(err, &server) && server.HasErrorLabel("TransientTransactionError")
}

// isNotExecuted reports whether a command that the driver tries only once was not executed,
// because the driver could not send it or the server was no longer the primary.
func isNotExecuted(err error) bool { return isPoolCleared(err) || hasCode(err, notWritablePrimary) }

// hasTransientLabel reports whether the server or the driver marked the error as one that
// passes, or after which the operation may be repeated.
func hasTransientLabel(err mongo.LabeledError) bool {
	return slices.ContainsFunc([]string{
		driver.RetryableWriteError, driver.ErrRetryableError, driver.ErrSystemOverloadedError, driver.TransientTransactionError,
	}, err.HasErrorLabel)
}

// isTransient reports whether the server's error code means a state that passes or that the
// operator ends: no primary, a primary that steps down or shuts down, an unreachable member,
// an overload, a quota, a missing permission.
func isTransient(code int) bool {
	switch code {
	case 1, // InternalError; FerretDB also uses it during its shutdown
		6,            // HostUnreachable
		7,            // HostNotFound
		unauthorized, // somebody took a role away from the database's user
		24,           // LockTimeout
		64,           // WriteConcernTimeout
		89,           // NetworkTimeout
		91,           // ShutdownInProgress
		112,          // WriteConflict
		133,          // FailedToSatisfyReadPreference
		134,          // ReadConcernMajorityNotAvailableYet
		187,          // LinearizableReadConcernError
		189,          // PrimarySteppedDown
		202,          // NetworkInterfaceExceededTimeLimit
		262,          // ExceededTimeLimit
		355,          // InterruptedDueToStorageChange
		365,          // TemporarilyUnavailable
		371,          // UserWritesBlocked
		402,          // ResourceExhausted
		433,          // AdmissionQueueOverflow
		449,          // RateLimitExceeded
		462,          // IngressRequestRateLimitExceeded
		9001,         // SocketException
		10058,        // LegacyNotPrimary
		14031,        // OutOfDiskSpace
		throttled,
		atlasError,
		notWritablePrimary,
		11600, // InterruptedAtShutdown
		11601, // Interrupted
		11602, // InterruptedDueToReplStateChange
		13435, // NotPrimaryNoSecondaryOk
		13436: // NotPrimaryOrSecondary
		return true
	}
	return false
}

// isRefusal reports whether the server rejected the credentials. Atlas has the same code for
// that as for a quota, so the code alone is not enough.
func isRefusal(err error) bool {
	var authentication *auth.Error
	return errors.As(err, &authentication) && (hasCode(err, authenticationFailed) || hasCode(err, atlasError))
}

// isBadHint reports whether the server does not have the index that a query names.
func isBadHint(err error) bool {
	return hasCode(err, badValue) && strings.Contains(err.Error(), "hint")
}

func hasCode(err error, code int) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(code)
}

// openError returns the error of Open: one line that begins with the servers.
func openError(hosts []string, err error) error {
	at := "MongoDB at " + strings.Join(hosts, ",")
	switch {
	case hasCode(err, unauthorized): // waiting would not help
		return fmt.Errorf("%s: %w", at, oneLine{err})
	case isUnavailable(err), domain.KindOf(err) == domain.Unavailable:
		return &domain.Error{Kind: domain.Unavailable, Message: at + " does not answer", Err: oneLine{err}}
	case isRefusal(err):
		return fmt.Errorf("%s refuses the URI's credentials: %w", at, oneLine{err})
	}
	return fmt.Errorf("%s: %w", at, oneLine{err})
}

// oneLine prints an error as one line. A server's message may have several lines.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }

// quoted matches a quotation in an error of the driver: a part of the URI, or the
// name of a scheme.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// uriError returns the driver's error about a malformed URI without its
// quotations. In a malformed URI any part may be the password. The names of
// options and schemes stay.
func uriError(uri string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) { // the lookup for a mongodb+srv URI failed
		return &domain.Error{Kind: domain.Unavailable, Message: "MongoDB URI", Err: err}
	}
	text := quoted.ReplaceAllStringFunc(err.Error(), func(quotation string) string {
		if word := strings.Trim(quotation, `"`); word == "mongodb" || word == "mongodb+srv" || isOption(uri, word) {
			return quotation
		}
		return "…"
	})
	return errors.New("MongoDB URI: " + text)
}

// isOption reports whether the URI has an option with the name.
func isOption(uri, name string) bool {
	_, options, _ := strings.Cut(uri[strings.LastIndex(uri, "@")+1:], "?")
	for option := range strings.SplitSeq(options, "&") {
		if key, _, ok := strings.Cut(option, "="); ok && key == name {
			return true
		}
	}
	return false
}
