package main_test

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// knownAccount is what the clients know about an email. All clients share it.
type knownAccount struct {
	email string

	mu       sync.Mutex
	calls    int
	id       string // the latest public id that a client has seen
	isThere  bool   // as far as the clients know
	password string // the latest that a client has seen
	tokens   []heldToken
	unended  int // the tokens for which no client has ended any yet
}

// call returns a name for the steps of a call.
func (k *knownAccount) call() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	return fmt.Sprint(k.calls)
}

// hold keeps a token of the account and the password for which it was issued.
func (k *knownAccount) hold(t *testing.T, text, password string) heldToken {
	t.Helper()
	claims := claimsOf(t, text)
	id, _ := claims["sub"].(string)
	k.mu.Lock()
	defer k.mu.Unlock()
	token := heldToken{id: id, number: fmt.Sprint(len(k.tokens)), text: text}
	k.id, k.isThere, k.password = id, true, password
	k.tokens = append(k.tokens, token)
	k.unended++
	return token
}

// latest returns the last tokens, at most n, the newest first.
func (k *knownAccount) latest(n int) []heldToken {
	k.mu.Lock()
	defer k.mu.Unlock()
	tokens := slices.Clone(k.tokens[max(0, len(k.tokens)-n):])
	slices.Reverse(tokens)
	return tokens
}

func (k *knownAccount) see(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.id, k.isThere = id, true
}

// leave keeps that the email is free.
func (k *knownAccount) leave() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.isThere = false
}

// latestID returns the latest public id, and whether the account is still there.
func (k *knownAccount) latestID() (id string, isThere bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.id, k.isThere
}

// mayEnd reports whether a client may end tokens. For each new token that happens at most
// once: log-ins are slow, and the clients need some good tokens.
func (k *knownAccount) mayEnd() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unended == 0 {
		return false
	}
	k.unended--
	return true
}

// likelyPassword returns the latest password, or sometimes another.
func (k *knownAccount) likelyPassword(a *actor) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a.random.IntN(4) == 0 {
		return a.anyPassword()
	}
	return k.password
}

// accountCall is a request about an account and its response.
type accountCall struct {
	*actor
	account         *knownAccount
	name            string // of the call, in its steps
	response        response
	known           bool // false if the response leaves the outcome open
	began, returned time.Duration
}

// call sends a request about an account. It returns whether the actor can go on: a busy
// server answers with 503 where it would have to hash a password.
func (a *actor) call(k *knownAccount, r request) (c accountCall, goOn bool) {
	c = accountCall{actor: a, account: k, name: k.call(), began: time.Since(a.history.began)}
	response, err := a.s.send(r)
	c.response, c.returned = response, time.Since(a.history.began)
	c.known = err == nil && response.status != http.StatusServiceUnavailable
	return c, err == nil
}

// didOrGone records a call of one step on the account with the given id.
func (c accountCall) didOrGone(id string, step accountStep) {
	switch {
	case !c.known:
		c.mayDo(step)
	case c.response.status == http.StatusOK:
		c.did(step)
	case c.response.status == http.StatusNotFound:
		c.did(accountGone(id))
	default:
		c.did(unexpectedStatus(c.response.status))
	}
}

// did records the steps of a call whose outcome is known.
func (c accountCall) did(steps ...accountStep) {
	for _, step := range steps {
		c.history.add(c.number, "account "+c.account.email, step, nil, c.began, c.returned)
	}
	c.history.answered()
}

// mayDo records the steps of a call whose outcome is open. They may be done at any later
// time.
func (c accountCall) mayDo(steps ...accountStep) {
	for _, step := range steps {
		c.history.add(c.number, "account "+c.account.email, perhapsStep(step), nil, c.began, math.MaxInt64)
	}
}

// workOnPassword does what makes the server hash passwords.
func (a *actor) workOnPassword(int) bool {
	k := a.anyAccount()
	id, isThere := k.latestID()
	tokens := k.latest(1)
	switch n := a.random.IntN(100); {
	case !isThere && n < 80, n < 5:
		return a.register(k, a.anyPassword())
	case n < 50 || len(tokens) == 0:
		return a.logIn(k, k.likelyPassword(a))
	case n < 80:
		return a.changePassword(k, tokens[0], k.likelyPassword(a), a.anyPassword())
	case n < 90:
		return a.unregister(k, tokens[0], k.likelyPassword(a))
	default:
		return a.resetPassword(k, id, a.anyPassword())
	}
}

// workOnAccount does what needs no hash.
func (a *actor) workOnAccount(int) bool {
	k := a.anyAccount()
	tokens := k.latest(4)
	if len(tokens) == 0 {
		return a.look(k)
	}
	id, _ := k.latestID()
	token := tokens[a.random.IntN(1+a.random.IntN(len(tokens)))] // most often the newest
	switch n := a.random.IntN(100); {
	case n < 60:
		return a.use(k, token)
	case n < 70:
		return a.look(k)
	case n < 80:
		return a.setDisabled(k, id, false)
	case !k.mayEnd():
		return a.use(k, tokens[0])
	case n < 84:
		return a.logOut(k, token)
	case n < 90:
		return a.logOutEverywhere(k, token)
	case n < 93:
		return a.logOutOther(k, id)
	case n < 97:
		return a.setDisabled(k, id, true)
	default:
		return a.deleteOther(k, id)
	}
}

func (a *actor) anyAccount() *knownAccount { return a.accounts[a.random.IntN(len(a.accounts))] }

func (a *actor) anyPassword() string { return fmt.Sprint("the password ", a.random.IntN(2)) }

func (a *actor) register(k *knownAccount, password string) bool {
	c, goOn := a.call(k, post("/auth/register", "", fields{"email": k.email, "password": password}))
	switch {
	case !c.known:
		c.mayDo(accountCreated(unknownID, password, nil))
	case c.response.status == http.StatusCreated:
		token := k.hold(a.t, c.response.text("access_token"), password)
		c.did(accountCreated(token.id, password, &token))
	case c.response.status == http.StatusConflict:
		c.did(emailTaken())
	default:
		c.did(unexpectedStatus(c.response.status))
	}
	return goOn
}

func (a *actor) logIn(k *knownAccount, password string) bool {
	c, goOn := a.call(k, post("/auth/login", "", fields{"email": k.email, "password": password}))
	switch {
	case !c.known:
	case c.response.status == http.StatusOK:
		token := k.hold(a.t, c.response.text("access_token"), password)
		c.did(logInIssued(c.name, token), logInAccepted(c.name, token.id, password))
	case c.response.status == http.StatusUnauthorized:
		c.did(logInRefused(password))
	case c.response.status == http.StatusForbidden:
		c.did(logInDisabled(password))
	default:
		c.did(unexpectedStatus(c.response.status))
	}
	return goOn
}

func (a *actor) changePassword(k *knownAccount, token heldToken, current, changed string) bool {
	c, goOn := a.call(k, post("/auth/password", token.text, fields{"current_password": current, "new_password": changed}))
	change, end := passwordChanged(c.name, token.id, current, changed), tokensEndedBy(c.name, token.id)
	switch {
	case !c.known:
		c.mayDo(change, end)
	case c.response.status == http.StatusOK:
		c.did(token.passes(), change, tokensRenewedBy(c.name, k.hold(a.t, c.response.text("access_token"), changed)))
	case c.response.status == http.StatusBadRequest:
		c.did(token.passes(), passwordRefused(token.id, current))
	case c.response.status == http.StatusUnauthorized: // also if another call has changed the account after this one
		c.did(token.cannotChange(), perhapsStep(change), perhapsStep(end))
	default:
		c.did(unexpectedStatus(c.response.status))
	}
	return goOn
}

func (a *actor) unregister(k *knownAccount, token heldToken, password string) bool {
	c, goOn := a.call(k, post("/auth/unregister", token.text, fields{"password": password}))
	change, end := accountUnregistered(c.name, token.id, password), tokensEndedBy(c.name, token.id)
	switch {
	case !c.known:
		c.mayDo(change, end, tokensEndedOfGone(token.id))
	case c.response.status == http.StatusOK:
		k.leave()
		c.did(token.passes(), change, end)
	case c.response.status == http.StatusBadRequest:
		c.did(token.passes(), passwordRefused(token.id, password))
	case c.response.status == http.StatusUnauthorized:
		c.did(token.cannotChange(), perhapsStep(tokensEndedOfGone(token.id)))
	default:
		c.did(unexpectedStatus(c.response.status))
	}
	return goOn
}

// tokensEndedOfGone ends the tokens of an account that is gone, because another call that
// deleted it may have been interrupted.
func tokensEndedOfGone(id string) accountStep {
	return stepIf(func(s *accountState) bool {
		s.endTokens(id)
		return s.id != id
	}, "tokens of %s ended, which is gone", id)
}

func (a *actor) resetPassword(k *knownAccount, id, password string) bool {
	r := patch("/users/"+id, a.admin, fields{"password": password})
	return a.changeOther(k, id, r, http.StatusOK, func(call string) accountStep { return passwordReset(call, id, password) })
}

func (a *actor) deleteOther(k *knownAccount, id string) bool {
	return a.changeOther(k, id, del("/users/"+id, a.admin), http.StatusNoContent, func(call string) accountStep { return accountDeleted(call, id) })
}

// changeOther sends an administrator's request with a first step and the end of the
// tokens as its second.
func (a *actor) changeOther(k *knownAccount, id string, r request, success int, first func(call string) accountStep) bool {
	c, goOn := a.call(k, r)
	change, end := first(c.name), tokensEndedBy(c.name, id)
	switch {
	case !c.known:
		c.mayDo(change, end, tokensEndedOfGone(id))
	case c.response.status == success:
		c.did(change, end)
	case c.response.status == http.StatusNotFound:
		c.did(accountGone(id), perhapsStep(tokensEndedOfGone(id)))
	default:
		c.did(unexpectedStatus(c.response.status))
	}
	return goOn && c.known
}

func (a *actor) setDisabled(k *knownAccount, id string, value bool) bool {
	r := patch("/users/"+id, a.admin, fields{"disabled": fmt.Sprint(value)})
	if value {
		return a.changeOther(k, id, r, http.StatusOK, func(call string) accountStep { return accountDisabled(call, id) })
	}
	c, goOn := a.call(k, r)
	c.didOrGone(id, accountEnabled(id))
	return goOn && c.known
}

func (a *actor) logOutOther(k *knownAccount, id string) bool {
	c, goOn := a.call(k, post("/users/"+id+"/logout", a.admin, nil))
	c.didOrGone(id, tokensEnded(id))
	return goOn && c.known
}

func (a *actor) logOutEverywhere(k *knownAccount, token heldToken) bool {
	return a.endOwn(k, token, everywhere, tokensEnded(token.id))
}

func (a *actor) logOut(k *knownAccount, token heldToken) bool {
	return a.endOwn(k, token, nil, token.isLoggedOut())
}

func (a *actor) endOwn(k *knownAccount, token heldToken, f fields, end accountStep) bool {
	c, goOn := a.call(k, post("/auth/logout", token.text, f))
	switch {
	case !c.known:
		c.mayDo(end)
	case c.response.status == http.StatusOK:
		c.did(token.isGood(), end)
	case c.response.status == http.StatusUnauthorized:
		c.did(token.isRefused())
	default:
		c.did(unexpectedStatus(c.response.status))
	}
	return goOn && c.known
}

// use sends a request with the token to an endpoint that looks at the account or to one
// that does not.
func (a *actor) use(k *knownAccount, token heldToken) bool {
	path, good, bad := "/auth/user", token.isGood(), token.isRefused()
	if a.random.IntN(2) == 0 {
		path, good, bad = "/widgets?per_page=5", token.passes(), token.isStopped()
	}
	c, goOn := a.call(k, get(path, token.text))
	switch {
	case !c.known:
	case c.response.status == http.StatusOK:
		c.did(good)
	case c.response.status == http.StatusUnauthorized:
		c.did(bad)
	default:
		c.did(unexpectedStatus(c.response.status))
	}
	return goOn && c.known
}

// look reads the account as an administrator sees it.
func (a *actor) look(k *knownAccount) bool {
	c, goOn := a.call(k, get("/users?email="+url.QueryEscape(k.email), a.admin))
	if !c.known {
		return false
	}
	items, isPage := c.response.json()["items"].([]any)
	switch {
	case c.response.status != http.StatusOK || !isPage || len(items) > 1:
		c.did(unexpectedStatus(c.response.status))
	case len(items) == 0:
		k.leave()
		c.did(emailFree())
	default:
		account, _ := items[0].(map[string]any)
		id, _ := account["public_id"].(string)
		isDisabled, _ := account["disabled"].(bool)
		k.see(id)
		c.did(accountShown(id, isDisabled))
	}
	return goOn
}

// readAccounts reads the state of every account, at the end of the history.
func (a *actor) readAccounts() {
	for _, k := range a.accounts {
		a.look(k)
		a.logIn(k, a.anyPassword())
		for _, token := range k.latest(math.MaxInt) {
			a.use(k, token)
		}
	}
}
