// Package transfer implements the use cases of the operator that move the content of a
// store: [Service.Export] writes it, and [Service.Import] adds it to another store.
// [Service] implements [ports.Transfer] for every store. This comment is the manual of the
// format.
//
// # The file
//
// An export is a text in JSON Lines: UTF-8, one JSON object in each line, and a line feed
// after each object. Every object has a member kind. The lines are in this order:
//
//	{"kind":"header","format":"widgetd-export","version":1,"exported_at":"2026-11-28T23:57:21.5Z","program":"v1.2.3"}
//	{"kind":"account","public_id":"0b7a…","email":"ada@example.com","password_hash":"$argon2id$…","admin":true,"disabled":false,"registered_on":"2026-11-22T06:55:04.123Z"}
//	{"kind":"widget","name":"first","info_url":"https://example.com/1","deadline":"2027-05-13T23:59:59Z","created_at":"2026-11-22T06:55:07Z","owner":{"public_id":"0b7a…","email":"ada@example.com"},"version":1795330507000000}
//	{"kind":"token","id":"01a2…","expires_at":"2026-11-29T00:57:21Z","lifetime":3600}
//	{"kind":"cut_off","public_id":"0b7a…","value":"c3d4…","expires_at":"2027-11-28T23:57:21Z","lifetime":31536000}
//	{"kind":"end","accounts":1,"widgets":1,"tokens":1,"cut_offs":1}
//
// The header has the version of the format, the time of the export, and the version of the
// program that wrote it. Accounts are in order of registration, widgets in order of
// creation, logged-out tokens in order of their expiry, and cut-offs (see [domain.CutOff])
// in order of the public ids of their accounts. The last line has the number of lines of
// each kind. Exports of stores with equal content differ only in the header.
//
// Times are as in RFC 3339, in UTC, with milliseconds if there are any. A lifetime is a
// number of whole seconds. The email of an owner is null if the account was deleted. The
// password hash is secret: protect the file.
//
// A reader ignores members that it does not know. A change of the format that a reader must
// not ignore raises the version.
//
// # Import
//
// Import reads lines of at most [MaxLineBytes] bytes. A carriage return before the line
// feed, blank lines, and a byte order mark before the first line are ignored. Each line is
// imported as a whole or not at all. An import that was interrupted can be run again. A
// record that the store has already is found, and stays as it is:
//
//   - an account with the same public id and the same email, compared without case,
//   - a widget with the same name and the same time of creation,
//   - a logged-out token with the same id,
//   - a cut-off of an account that has one.
//
// A line is refused if it is wrong, or if another record has the email, the public id or the
// name. The lines after it are imported. Import does not apply the rules of today to a value
// in an export, because these rules may be stricter than those by which it was written.
//
// Import returns an Invalid error for a file that is not one whole export. If the header is
// at fault, nothing is imported. Otherwise the lines before the fault are imported. The
// faults are:
//
//   - The first line is not a header, or the header has a later version.
//   - The last line is missing: the file was cut off.
//   - The numbers in the last line are not those of the lines before it.
//   - There is a second header, or another line after the last one: another file was
//     appended.
//
// An export of a store that is in use may have widgets with the email of an account that was
// deleted shortly before. Import removes this email when it reads the cut-off of the deleted
// account. It also removes the emails of accounts that the store has deleted: the file may be
// older than the deletion.
//
// # Lines of accounts
//
// Accounts of another system are imported as bare lines, without a header and a last line:
// see [ports.ImportOptions]. A line has these members:
//
//	email          required, valid by the rules of today
//	password_hash  required: see domain.ParsePasswordHash
//	admin          true or false; false if it is missing
//	disabled       true or false; false if it is missing
//	public_id      a UUID in lower case; a new one if it is missing
//	registered_on  a time as above; the time of the import if it is missing
//	kind           account, if it is not missing
//
// An account without a public_id is found by its email alone, so that these lines too can be
// imported again.
package transfer
