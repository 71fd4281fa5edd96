package mongodb

import (
	"errors"
	"fmt"
)

// serverVersions holds the version of a server, and the least version of the servers that
// may run beside it. A server of version n follows the rules 1 to n for the database:
//
//  1. the running time. The releases with this version do not know of versions.
//  2. cut-offs and disabled accounts.
//  3. versions of widgets, which every write raises, and marks of deleted accounts.
//
// The document with the running time has the field least_version. A server raises it to
// its own least when it starts. A server whose version is lower does not start, and
// accepts no token and writes nothing while it runs.
type serverVersions struct{ own, least int32 }

func thisVersion() serverVersions { return serverVersions{own: 3, least: 3} }

// errExcluded is the cause of errors when a later widgetd has excluded this one.
var errExcluded = errors.New("a later widgetd uses the database and excludes this one: upgrade this server")

// exclusion returns the error of a server that is excluded by the least version.
func (v serverVersions) exclusion(least int32) error {
	return fmt.Errorf("%w (the document %s of the collection %s wants servers of version %d or later; this one has version %d)",
		errExcluded, runningID, blacklist, least, v.own)
}
