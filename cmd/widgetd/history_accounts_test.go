package main_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// accountState is the state of an email: its account, and the tokens of this and of
// earlier accounts with the email.
type accountState struct {
	id       string // the account's public id, unknownID, or "" if there is no account
	password string
	disabled bool
	good     set // the tokens that nothing has ended: id/number
	begun    set // the calls that have changed the account and will end its tokens, or have read the cut-off and will read the account
}

// unknownID is the public id of an account whose registration was not answered.
const unknownID = "unknown"

// set is a set of words, in alphabetical order, so that equal sets are equal strings.
type set string

func (s set) words() []string { return strings.Fields(string(s)) }

func (s set) has(word string) bool { return slices.Contains(s.words(), word) }

func (s set) with(word string) set {
	words := append(s.words(), word)
	slices.Sort(words)
	return set(strings.Join(slices.Compact(words), " "))
}

// without removes the words for which f returns true.
func (s set) without(f func(word string) bool) set {
	return set(strings.Join(slices.DeleteFunc(s.words(), f), " "))
}

// heldToken is a token of an account.
type heldToken struct {
	id     string // the account's public id
	number string // differs for each token
	text   string
}

func (token heldToken) word() string { return token.id + "/" + token.number }

// accountStep is an atomic part of a call, with the answer that the call got. Next
// returns the states that may follow: none if the answer is wrong in the given state.
//
// A call that ends tokens has two steps: it changes the account, then it ends the tokens.
// A log-in has two steps too: a token is issued, then the account is looked at. So each
// promise about tokens is that of the contract: tokens that were issued before a call are
// ended when the call returns, and tokens of log-ins that begin later are good.
type accountStep struct {
	text string // for messages
	next func(accountState) []accountState
}

// accountModel describes how the answers about one email follow from its state.
func accountModel() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{accountState{}} },
		Step: func(state, input, _ any) (after []any) {
			for _, next := range input.(accountStep).next(state.(accountState)) {
				after = append(after, next)
			}
			return after
		},
		DescribeOperation: func(input, _ any) string { return input.(accountStep).text },
	}
	return model.ToModel()
}

// stepIf returns a step that is possible if f returns true. F changes the state.
func stepIf(f func(*accountState) bool, format string, args ...any) accountStep {
	return accountStep{fmt.Sprintf(format, args...), func(s accountState) []accountState {
		if f(&s) {
			return []accountState{s}
		}
		return nil
	}}
}

// perhapsStep returns a step that has its effect or none.
func perhapsStep(step accountStep) accountStep {
	return accountStep{"perhaps " + step.text, func(s accountState) []accountState {
		return append(step.next(s), s)
	}}
}

// is reports whether the account has the id. An account whose id was unknown has it
// from then on.
func (s *accountState) is(id string) bool {
	if s.id == unknownID {
		s.id = id
	}
	return s.id == id
}

func (s *accountState) begin(call string) bool {
	s.begun = s.begun.with(call)
	return true
}

// finish reports whether the first step of the call is done and the second is not.
func (s *accountState) finish(call string) bool {
	has := s.begun.has(call)
	s.begun = s.begun.without(func(word string) bool { return word == call })
	return has
}

// endTokens ends the tokens of the account with the id.
func (s *accountState) endTokens(id string) {
	s.good = s.good.without(func(word string) bool { return strings.HasPrefix(word, id+"/") })
}

// unexpectedStatus is the step of a call that no state allows.
func unexpectedStatus(status int) accountStep {
	return stepIf(func(*accountState) bool { return false }, "unexpected status %d", status)
}

// accountCreated adds an account. Token is the one that its registration returned, if any.
func accountCreated(id, password string, token *heldToken) accountStep {
	return stepIf(func(s *accountState) bool {
		if s.id != "" {
			return false
		}
		s.id, s.password, s.disabled = id, password, false
		if token != nil {
			s.good = s.good.with(token.word())
		}
		return true
	}, "created %s with %q", id, password)
}

func emailTaken() accountStep {
	return stepIf(func(s *accountState) bool { return s.id != "" }, "taken")
}

func emailFree() accountStep {
	return stepIf(func(s *accountState) bool { return s.id == "" }, "absent")
}

// accountGone is the answer that no account has the id.
func accountGone(id string) accountStep {
	return stepIf(func(s *accountState) bool { return s.id != id }, "%s is gone", id)
}

func accountShown(id string, disabled bool) accountStep {
	return stepIf(func(s *accountState) bool { return s.is(id) && s.disabled == disabled }, "%s is there, disabled %t", id, disabled)
}

// logInIssued is the first step of a log-in, logInAccepted the second.
func logInIssued(call string, token heldToken) accountStep {
	return stepIf(func(s *accountState) bool {
		s.good = s.good.with(token.word())
		return s.is(token.id) && s.begin(call)
	}, "log-in %s: token %s", call, token.number)
}

func logInAccepted(call, id, password string) accountStep {
	return stepIf(func(s *accountState) bool {
		return s.is(id) && s.password == password && !s.disabled && s.finish(call)
	}, "log-in %s: logged in with %q", call, password)
}

func logInRefused(password string) accountStep {
	return stepIf(func(s *accountState) bool { return s.id == "" || s.password != password }, "%q does not match", password)
}

func logInDisabled(password string) accountStep {
	return stepIf(func(s *accountState) bool { return s.id != "" && s.password == password && s.disabled }, "disabled for %q", password)
}

// isGood is the step of a token that was accepted by an endpoint that also reads the
// account.
func (token heldToken) isGood() accountStep {
	return stepIf(func(s *accountState) bool { return s.good.has(token.word()) && s.is(token.id) }, "token %s is good", token.number)
}

func (token heldToken) isRefused() accountStep {
	return stepIf(func(s *accountState) bool { return !s.good.has(token.word()) || s.id != token.id }, "token %s is refused", token.number)
}

// passes is the step of a token that was accepted by an endpoint that does not read the
// account.
func (token heldToken) passes() accountStep {
	return stepIf(func(s *accountState) bool { return s.good.has(token.word()) }, "token %s passes", token.number)
}

func (token heldToken) isStopped() accountStep {
	return stepIf(func(s *accountState) bool { return !s.good.has(token.word()) }, "token %s is stopped", token.number)
}

// cannotChange is the step of a token that was refused by an endpoint that changes the
// account of the token.
func (token heldToken) cannotChange() accountStep {
	return stepIf(func(s *accountState) bool {
		return !s.good.has(token.word()) || s.id != token.id || s.disabled
	}, "token %s is refused for a change", token.number)
}

func (token heldToken) isLoggedOut() accountStep {
	return stepIf(func(s *accountState) bool {
		s.good = s.good.without(func(word string) bool { return word == token.word() })
		return true
	}, "token %s logged out", token.number)
}

// tokensEnded ends the tokens of an account, in a call of one step.
func tokensEnded(id string) accountStep {
	return stepIf(func(s *accountState) bool {
		s.endTokens(id)
		return true
	}, "tokens of %s ended", id)
}

// tokensEndedBy is the second step of a call that ends tokens.
func tokensEndedBy(call, id string) accountStep {
	return stepIf(func(s *accountState) bool {
		s.endTokens(id)
		return s.finish(call)
	}, "change %s: tokens of %s ended", call, id)
}

// tokensRenewedBy is tokensEndedBy of a call that returns a token.
func tokensRenewedBy(call string, token heldToken) accountStep {
	return stepIf(func(s *accountState) bool {
		s.endTokens(token.id)
		s.good = s.good.with(token.word())
		return s.finish(call)
	}, "change %s: tokens of %s ended, token %s issued", call, token.id, token.number)
}

// passwordChanged is the first step of a change by the user.
func passwordChanged(call, id, current, password string) accountStep {
	return stepIf(func(s *accountState) bool {
		if !s.is(id) || s.password != current || s.disabled {
			return false
		}
		s.password = password
		return s.begin(call)
	}, "change %s: password %q to %q", call, current, password)
}

func passwordRefused(id, password string) accountStep {
	return stepIf(func(s *accountState) bool { return s.is(id) && s.password != password }, "%q is not the password", password)
}

// accountUnregistered is the first step of a deletion by the user.
func accountUnregistered(call, id, password string) accountStep {
	return stepIf(func(s *accountState) bool {
		if !s.is(id) || s.password != password || s.disabled {
			return false
		}
		s.id = ""
		return s.begin(call)
	}, "change %s: %s unregistered with %q", call, id, password)
}

// The first steps of changes by an administrator.

func passwordReset(call, id, password string) accountStep {
	return stepIf(func(s *accountState) bool {
		s.password = password
		return s.is(id) && s.begin(call)
	}, "change %s: password of %s reset to %q", call, id, password)
}

func accountDisabled(call, id string) accountStep {
	return stepIf(func(s *accountState) bool {
		s.disabled = true
		return s.is(id) && s.begin(call)
	}, "change %s: %s disabled", call, id)
}

func accountDeleted(call, id string) accountStep {
	return stepIf(func(s *accountState) bool {
		was := s.is(id)
		s.id = ""
		return was && s.begin(call)
	}, "change %s: %s deleted", call, id)
}

// accountEnabled has no second step.
func accountEnabled(id string) accountStep {
	return stepIf(func(s *accountState) bool {
		s.disabled = false
		return s.is(id)
	}, "%s enabled", id)
}

// TestWrongAccountHistoriesAreNotLinearizable proves that the model finds errors.
func TestWrongAccountHistoriesAreNotLinearizable(t *testing.T) {
	t.Parallel()
	const never = math.MaxInt64
	one, other, third := heldToken{id: "A", number: "1"}, heldToken{id: "A", number: "2"}, heldToken{id: "A", number: "3"}
	at := func(began, returned time.Duration, steps ...accountStep) (operations []porcupine.Operation) {
		for _, step := range steps {
			operations = append(operations, porcupine.Operation{Input: step, Call: int64(began), Return: int64(returned)})
		}
		return operations
	}
	open := func(began time.Duration, steps ...accountStep) (operations []porcupine.Operation) {
		for _, step := range steps {
			operations = append(operations, at(began, never, perhapsStep(step))...)
		}
		return operations
	}
	// Each history begins with an account whose password is "a", and with token 1.
	registered := at(0, 1, accountCreated("A", "a", &one))
	changeTo := func(call, password string) []accountStep {
		return []accountStep{passwordChanged(call, "A", "a", password), tokensEndedBy(call, "A")}
	}
	logIn := func(call, password string, token heldToken) []accountStep {
		return []accountStep{logInIssued(call, token), logInAccepted(call, "A", password)}
	}
	disable := []accountStep{accountDisabled("d", "A"), tokensEndedBy("d", "A")}
	remove := []accountStep{accountDeleted("x", "A"), tokensEndedBy("x", "A")}

	for name, test := range map[string]struct {
		isRight bool
		history [][]porcupine.Operation
	}{
		"a good token":                         {true, [][]porcupine.Operation{at(2, 3, one.isGood()), at(2, 3, one.passes())}},
		"a good token refused":                 {false, [][]porcupine.Operation{at(2, 3, one.isRefused())}},
		"an email taken twice":                 {false, [][]porcupine.Operation{at(2, 3, accountCreated("B", "b", nil))}},
		"a log-in":                             {true, [][]porcupine.Operation{at(2, 3, logIn("1", "a", other)...), at(4, 5, other.isGood()), at(4, 5, one.isGood())}},
		"a log-in with a wrong password":       {false, [][]porcupine.Operation{at(2, 3, logIn("1", "b", other)...)}},
		"a log-in refused":                     {false, [][]porcupine.Operation{at(2, 3, logInRefused("a"))}},
		"a log-out":                            {true, [][]porcupine.Operation{at(2, 3, logIn("1", "a", other)...), at(4, 5, one.isLoggedOut()), at(6, 7, one.isRefused()), at(6, 7, other.isGood())}},
		"a token after its log-out":            {false, [][]porcupine.Operation{at(2, 3, one.isLoggedOut()), at(4, 5, one.passes())}},
		"an everywhere-logout":                 {true, [][]porcupine.Operation{at(2, 3, tokensEnded("A")), at(4, 5, one.isRefused()), at(4, 5, logIn("1", "a", other)...), at(6, 7, other.isGood())}},
		"an everywhere-logout forgotten":       {false, [][]porcupine.Operation{at(2, 3, tokensEnded("A")), at(4, 5, one.isGood())}},
		"an everywhere-logout late":            {false, [][]porcupine.Operation{at(2, 3, tokensEnded("A")), at(4, 5, one.passes()), at(6, 7, one.isStopped())}},
		"an everywhere-logout not yet over":    {true, [][]porcupine.Operation{at(2, 6, tokensEnded("A")), at(3, 4, one.isGood())}},
		"an everywhere-logout taken back":      {false, [][]porcupine.Operation{at(2, 9, tokensEnded("A")), at(3, 4, one.isRefused()), at(5, 6, one.isGood())}},
		"an everywhere-logout of the next one": {false, [][]porcupine.Operation{at(2, 3, tokensEnded("A")), at(4, 5, logIn("1", "a", other)...), at(6, 7, other.isRefused())}},
		"a log-in during an everywhere-logout": {true, [][]porcupine.Operation{at(2, 9, tokensEnded("A")), at(3, 4, logIn("1", "a", other)...), at(10, 11, other.isRefused())}},
		"an everywhere-logout without answer":  {true, [][]porcupine.Operation{open(2, tokensEnded("A")), at(3, 4, one.isGood()), at(5, 6, one.isRefused())}},
		"an everywhere-logout without answer, revived": {false, [][]porcupine.Operation{open(2, tokensEnded("A")), at(3, 4, one.isRefused()),
			at(5, 6, one.isGood())}},

		"a password change":                          {true, [][]porcupine.Operation{at(2, 3, changeTo("1", "b")...), at(4, 5, one.isRefused()), at(4, 5, logInRefused("a")), at(4, 5, logIn("2", "b", other)...)}},
		"a password change that keeps the token":     {false, [][]porcupine.Operation{at(2, 3, changeTo("1", "b")...), at(4, 5, one.isGood())}},
		"a password change forgotten":                {false, [][]porcupine.Operation{at(2, 3, changeTo("1", "b")...), at(4, 5, logIn("2", "a", other)...)}},
		"the token of a password change":             {true, [][]porcupine.Operation{at(2, 3, passwordChanged("1", "A", "a", "b"), tokensRenewedBy("1", other)), at(4, 5, other.isGood()), at(4, 5, one.isRefused())}},
		"the token of a password change refused":     {false, [][]porcupine.Operation{at(2, 3, passwordChanged("1", "A", "a", "b"), tokensRenewedBy("1", other)), at(4, 5, other.isRefused())}},
		"two password changes from one password":     {false, [][]porcupine.Operation{at(2, 9, changeTo("1", "b")...), at(3, 8, changeTo("2", "c")...)}},
		"two password changes, one refused":          {true, [][]porcupine.Operation{at(2, 9, changeTo("1", "b")...), at(3, 8, one.passes(), passwordRefused("A", "a"))}},
		"a wrong password that is right":             {false, [][]porcupine.Operation{at(2, 3, passwordRefused("A", "a"))}},
		"a log-in during a password change":          {true, [][]porcupine.Operation{at(2, 5, changeTo("1", "b")...), at(3, 9, logIn("2", "a", other)...), at(10, 11, other.isRefused())}},
		"a token of the old password that stays":     {false, [][]porcupine.Operation{at(2, 5, changeTo("1", "b")...), at(3, 9, logIn("2", "a", other)...), at(10, 11, other.isGood())}},
		"a token of the new password that is ended":  {true, [][]porcupine.Operation{at(2, 5, changeTo("1", "b")...), at(3, 4, logIn("2", "b", other)...), at(10, 11, other.isRefused())}},
		"a token of the new password that is not":    {true, [][]porcupine.Operation{at(2, 5, changeTo("1", "b")...), at(3, 9, logIn("2", "b", other)...), at(10, 11, other.isGood())}},
		"a later token of the new password, ended":   {false, [][]porcupine.Operation{at(2, 5, changeTo("1", "b")...), at(6, 9, logIn("2", "b", other)...), at(10, 11, other.isRefused())}},
		"a password change without answer":           {true, [][]porcupine.Operation{open(2, changeTo("1", "b")...), at(4, 5, logIn("2", "b", other)...), at(6, 7, one.isGood()), at(8, 9, one.isRefused()), at(8, 9, other.isRefused())}},
		"a password change without answer, not made": {true, [][]porcupine.Operation{open(2, changeTo("1", "b")...), at(4, 5, logIn("2", "a", other)...), at(6, 7, one.isGood())}},
		"a password change without answer, made and lost": {false, [][]porcupine.Operation{open(2, changeTo("1", "b")...), at(4, 5, logIn("2", "b", other)...),
			at(6, 7, logIn("3", "a", third)...)}},
		"tokens ended by a password change that was not made": {false, [][]porcupine.Operation{open(2, changeTo("1", "b")...), at(4, 5, one.isRefused()),
			at(6, 7, logIn("3", "a", third)...)}},

		"a disabled account":                  {true, [][]porcupine.Operation{at(2, 3, disable...), at(4, 5, logInDisabled("a"), logInRefused("b"), one.isRefused(), accountShown("A", true))}},
		"a log-in of a disabled account":      {false, [][]porcupine.Operation{at(2, 3, disable...), at(4, 5, logIn("1", "a", other)...)}},
		"a token of a disabled account":       {false, [][]porcupine.Operation{at(2, 3, disable...), at(4, 5, one.isGood())}},
		"a password hint of a disabled one":   {false, [][]porcupine.Operation{at(2, 3, disable...), at(4, 5, logInDisabled("b"))}},
		"an account enabled again":            {true, [][]porcupine.Operation{at(2, 3, disable...), at(4, 5, accountEnabled("A")), at(6, 7, logIn("1", "a", other)...), at(8, 9, other.isGood(), one.isRefused())}},
		"an account enabled with its tokens":  {false, [][]porcupine.Operation{at(2, 3, disable...), at(4, 5, accountEnabled("A")), at(6, 7, one.isGood())}},
		"an account disabled for nobody":      {false, [][]porcupine.Operation{at(2, 3, logInDisabled("a"))}},
		"a password change of a disabled one": {false, [][]porcupine.Operation{at(2, 3, disable...), at(4, 5, changeTo("1", "b")...)}},
		"a password reset":                    {true, [][]porcupine.Operation{at(2, 3, passwordReset("1", "A", "b"), tokensEndedBy("1", "A")), at(4, 5, one.isRefused(), logInRefused("a"))}},
		"a password reset forgotten":          {false, [][]porcupine.Operation{at(2, 3, passwordReset("1", "A", "b"), tokensEndedBy("1", "A")), at(4, 5, logInRefused("b"))}},
		"a deleted account":                   {true, [][]porcupine.Operation{at(2, 3, remove...), at(4, 5, emailFree(), accountGone("A"), logInRefused("a"), one.isRefused(), one.isStopped())}},
		"a deleted account seen again":        {false, [][]porcupine.Operation{at(2, 3, remove...), at(4, 5, accountShown("A", false))}},
		"a token of a deleted account":        {false, [][]porcupine.Operation{at(2, 3, remove...), at(4, 5, one.passes())}},
		"a token of an account being deleted": {true, [][]porcupine.Operation{at(2, 9, remove...), at(3, 4, one.isRefused()), at(5, 6, one.passes())}},
		"an email that stays taken":           {false, [][]porcupine.Operation{at(2, 3, remove...), at(4, 5, emailTaken())}},
		"an email taken again":                {true, [][]porcupine.Operation{at(2, 3, remove...), at(4, 5, accountCreated("B", "b", nil)), at(6, 7, accountShown("B", false), one.isRefused(), accountGone("A"))}},
		"an old token for the new account":    {false, [][]porcupine.Operation{at(2, 3, remove...), at(4, 5, accountCreated("B", "b", nil)), at(6, 7, one.isGood())}},
		"unregistered with a wrong password":  {false, [][]porcupine.Operation{at(2, 3, accountUnregistered("1", "A", "b"), tokensEndedBy("1", "A"))}},
		"a deletion without answer":           {true, [][]porcupine.Operation{open(2, remove...), at(3, 4, one.isGood()), at(5, 6, emailFree()), at(7, 8, one.passes()), at(9, 10, one.isStopped())}},
		"a deletion without answer, lost":     {false, [][]porcupine.Operation{open(2, remove...), at(3, 4, emailFree()), at(5, 6, accountShown("A", false))}},
		"a registration without answer":       {true, [][]porcupine.Operation{at(2, 3, remove...), open(4, accountCreated(unknownID, "b", nil)), at(5, 6, emailFree()), at(7, 8, accountShown("B", false)), at(9, 10, accountShown("B", false))}},
		"a registration that changes its id":  {false, [][]porcupine.Operation{at(2, 3, remove...), open(4, accountCreated(unknownID, "b", nil)), at(7, 8, accountShown("B", false)), at(9, 10, accountShown("C", false))}},
		"an unexpected status":                {false, [][]porcupine.Operation{at(2, 3, unexpectedStatus(500))}},
	} {
		h := newHistory()
		h.operations[name] = slices.Concat(registered, slices.Concat(test.history...))
		if wrong := h.wrong(); (len(wrong) == 0) != test.isRight {
			t.Errorf("%s: linearizable: %v, want %v", name, len(wrong) == 0, test.isRight)
		}
	}
}
