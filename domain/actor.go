package domain

// Actor is the person that an operation is done for: the user of a token, or the
// operator, the person who runs the program. The zero value stands for nobody.
type Actor struct {
	claims     Claims
	isOperator bool
}

// Operator returns the operator.
func Operator() Actor { return Actor{isOperator: true} }

// ActorOf returns the user of an authenticated token.
func ActorOf(claims Claims) Actor { return Actor{claims: claims} }

// IsOperator reports whether the actor is the operator.
func (a Actor) IsOperator() bool { return a.isOperator }

// Claims returns the claims of the token. They are zero for the operator.
func (a Actor) Claims() Claims { return a.claims }

// String returns the public id of the user, "operator", or "" for nobody.
func (a Actor) String() string {
	switch {
	case a.isOperator:
		return "operator"
	case a.claims.Subject == UUID{}:
		return ""
	}
	return a.claims.Subject.String()
}
