package boltdb

import "github.com/widgetd/widgetd/adapters/boltdb/internal/engine"

// The tables. Numbers in keys are big-endian, so that keys sort by them.
const (
	userTable      engine.Table = "users"     // public id (16 bytes) → account
	emailTable     engine.Table = "emails"    // Email.Key → public id
	shadowedTable  engine.Table = "shadowed"  // public id of an account whose Email.Key an older one has → nothing
	adminTable     engine.Table = "admins"    // public id of an active administrator → nothing
	widgetTable    engine.Table = "widgets"   // sequence number (8 bytes) → widget
	nameTable      engine.Table = "names"     // widget name → sequence number
	countTable     engine.Table = "counts"    // see engine.OrderIndex
	blacklistTable engine.Table = "blacklist" // see tokenKey
	runningTable   engine.Table = "running"   // runningKey → running time

	registrationTable      engine.Table = "registrations"       // sequence number → public id
	registrationCountTable engine.Table = "registration-counts" // see engine.OrderIndex
	placeTable             engine.Table = "places"              // public id → sequence number in registrations
	cutOffTable            engine.Table = "cut-offs"            // public id of an account, or of one that was deleted → cut-off

	deadlineTable      engine.Table = "deadlines"       // see deadlineIndex
	ownerTable         engine.Table = "owners"          // see ownerIndex
	ownerDeadlineTable engine.Table = "owner-deadlines" // see ownerDeadlineIndex
	departedTable      engine.Table = "departed"        // public id of a deleted account whose widgets may have its email → nothing
	cursorKeyTable     engine.Table = "cursor-key"      // cursorKey → 32 random bytes
)

// widgetOrder keeps the widgets in order of creation.
func widgetOrder() engine.OrderIndex {
	return engine.OrderIndex{Table: widgetTable, Counts: countTable}
}

// registrationOrder keeps the public ids of the accounts in order of registration.
func registrationOrder() engine.OrderIndex {
	return engine.OrderIndex{Table: registrationTable, Counts: registrationCountTable}
}

// schema describes the data file in every format that this package reads.
//
//   - Format 1 was never released.
//   - In format 2 the records have no version.
//   - In format 3 they have one.
//   - Format 4 has the running time, and the end of each logged-out token's lifetime.
//     Rows of the blacklist stay as they are in format 3: see decodeToken. The keys of
//     the table emails are those of Unicode's case folding, see foldEmailKeys. Before,
//     they were the emails in lower case.
//   - Format 5 has cut-offs, the order of registration (see addRegistrations), and a
//     mark for disabled accounts. The table admins has active administrators only. It
//     stays as it is in format 4, in which no account is disabled.
//   - Format 6 has indexes of widgets by owner and by deadline, the deleted accounts whose
//     widgets may have their email, the key for cursors, the version of a widget, and the
//     lifetime of a logged-out token and of a cut-off. Rows of widgets, tokens and cut-offs
//     stay as they are in format 5: see decodeWidget, decodeToken and decodeCutOff.
//
// A change of the records or of the tables needs a new format. Increase Format, add a
// migration, and add a data file of the new format to testdata; see
// TestOpenReadsEveryFormat. For a new optional field, change record.go as well. For a new
// table, add a line to Tables as well.
func schema() *engine.Schema {
	return &engine.Schema{
		Program:     "widgetd",
		Format:      6,
		Unversioned: 2,
		Tables: []engine.TableSchema{
			{Table: userTable, Since: 2, Decode: checkUser},
			{Table: emailTable, Since: 2, Decode: checkPublicID},
			{Table: shadowedTable, Since: 4, Decode: checkPresenceOfID},
			{Table: adminTable, Since: 2, Decode: checkPresenceOfID},
			{Table: widgetTable, Since: 2, Decode: checkWidget},
			{Table: nameTable, Since: 2, Decode: checkSequence, RowOf: widgetTable},
			{Table: countTable, Since: 2, Decode: engine.DecodeCounts},
			{Table: blacklistTable, Since: 2, Decode: checkToken},
			{Table: runningTable, Since: 4, Decode: checkRunning},
			{Table: registrationTable, Since: 5, Decode: checkRegistration, RowOf: userTable},
			{Table: registrationCountTable, Since: 5, Decode: engine.DecodeCounts},
			{Table: placeTable, Since: 5, Decode: checkPlace, RowOf: userTable},
			{Table: cutOffTable, Since: 5, Decode: checkCutOff},
			{Table: deadlineTable, Since: 6, Decode: deadlineIndex().Decode, RowOf: widgetTable},
			{Table: ownerTable, Since: 6, Decode: ownerIndex().Decode, RowOf: widgetTable},
			{Table: ownerDeadlineTable, Since: 6, Decode: ownerDeadlineIndex().Decode, RowOf: widgetTable},
			{Table: departedTable, Since: 6, Decode: checkPresenceOfID},
			{Table: cursorKeyTable, Since: 6, Decode: checkCursorKey},
		},
		Create: emitCursorKey,
		Orders: []engine.OrderIndex{widgetOrder(), registrationOrder()},
		Migrations: []engine.Migration{
			{From: 2},
			{From: 3, Prepare: foldEmailKeys},
			{From: 4, Extend: addRegistrations},
			{From: 5, Extend: addIndexes, Added: countIndexes},
		},
	}
}
