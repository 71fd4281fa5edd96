package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/widgetd/widgetd/domain"
)

// translate returns the error of the domain's kind that a driver's error is.
// What is of no kind stays as it is.
func translate(err error) error {
	var write mongo.WriteException
	switch {
	case err == nil:
		return nil
	case errors.As(err, &write) && write.WriteConcernError != nil:
		return unavailable(write.WriteConcernError) // even if it wasn't written: what stands there may not be durable
	case errors.Is(err, mongo.ErrNoDocuments):
		return domain.NotFound
	case isUnavailable(err):
		return unavailable(err)
	case mongo.IsDuplicateKeyError(err):
		return domain.AlreadyExists // and no more, for the cause holds the key
	}
	return fmt.Errorf("mongodb: %w", err)
}

func unavailable(cause error) error {
	return &domain.Error{Kind: domain.Unavailable, Err: cause}
}

// The codes of the server's errors that matter here, from its error_codes.yml.
const (
	authenticationFailed = 18
	atlasError           = 8000 // what MongoDB Atlas says of credentials it refuses
	notWritablePrimary   = 10107
)

// isUnavailable reports whether the error leaves open what happened, or trying
// again may help.
func isUnavailable(err error) bool {
	if isRefusal(err) {
		return false // though it comes as the failure of a connection
	}
	var server mongo.ServerError
	var dns *net.DNSError
	var pool interface{ Retryable() bool } // of a driver's error that has no name: another operation's failure
	return errors.Is(err, context.Canceled) ||
		errors.Is(err, mongo.ErrClientDisconnected) ||
		errors.As(err, &dns) ||
		errors.As(err, &pool) && pool.Retryable() ||
		mongo.IsTimeout(err) ||
		mongo.IsNetworkError(err) ||
		errors.As(err, &server) && slices.ContainsFunc(server.ErrorCodes(), isTransient)
}

// isTransient reports whether a server's error code speaks of a state that will
// pass: no primary, a primary that steps down or shuts down, a member out of
// another's reach.
func isTransient(code int) bool {
	switch code {
	case 1, // InternalError: also what FerretDB calls its own shutdown
		6,     // HostUnreachable
		7,     // HostNotFound
		64,    // WriteConcernTimeout
		89,    // NetworkTimeout
		91,    // ShutdownInProgress
		133,   // FailedToSatisfyReadPreference
		134,   // ReadConcernMajorityNotAvailableYet
		189,   // PrimarySteppedDown
		262,   // ExceededTimeLimit
		462,   // IngressRequestRateLimitExceeded
		9001,  // SocketException
		10058, // LegacyNotPrimary
		14031, // OutOfDiskSpace
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

// isRefusal reports whether the server refused the credentials.
func isRefusal(err error) bool {
	return hasCode(err, authenticationFailed) || hasCode(err, atlasError)
}

func hasCode(err error, code int) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && server.HasErrorCode(code)
}

// openError says in one line where what is wrong is.
func openError(hosts []string, err error) error {
	at := "MongoDB at " + strings.Join(hosts, ",")
	switch {
	case isUnavailable(err):
		return &domain.Error{Kind: domain.Unavailable, Message: at + " does not answer", Err: oneLine{err}}
	case isRefusal(err):
		return fmt.Errorf("%s refuses the URI's credentials: %w", at, oneLine{err})
	}
	return fmt.Errorf("%s: %w", at, oneLine{err})
}

// oneLine is an error for a terminal; a server's message may have several lines.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }

// quoted is text that the driver took from a URI, or the name of a scheme.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// uriError returns the driver's error about a URI, without what it quotes: the
// quotation may be a password, or what a slip of the pen made of it. The names
// of options and schemes stay.
func uriError(uri string, err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) { // of a mongodb+srv URI
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

// isOption reports whether the URI has an option of that name.
func isOption(uri, name string) bool {
	_, options, _ := strings.Cut(uri[strings.LastIndex(uri, "@")+1:], "?")
	for option := range strings.SplitSeq(options, "&") {
		if key, _, ok := strings.Cut(option, "="); ok && key == name {
			return true
		}
	}
	return false
}
