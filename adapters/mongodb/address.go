package mongodb

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/connstring"
)

// CheckURI returns the error that [Open] would return for a malformed URI. It does not
// check a URI of the form mongodb+srv, whose hosts must be looked up.
func CheckURI(uri string) error {
	if strings.HasPrefix(uri, connstring.SchemeMongoDBSRV+"://") {
		return nil
	}
	if _, err := connstring.ParseAndValidate(uri); err != nil {
		return uriError(uri, err)
	}
	return nil
}

// Address returns the hosts of a URI and the name of the database, which may be shown:
// they contain no user name and no password. For a URI that begins with mongodb+srv it
// looks the hosts up. It returns an error if the URI is malformed or the look-up fails.
func Address(uri string) (hosts []string, database string, err error) {
	parsed, err := connstring.Parse(uri)
	if err != nil {
		return nil, "", err
	}
	return parsed.Hosts, databaseName(parsed), nil
}
