// Package engine stores tables of records in one file on disk, for one process.
// It is built on bbolt and adds group commit, checksums, a check of the whole file
// when it is opened, recovery from a failed fsync, numbered migrations and lists
// with random access. It does not know what the records mean.
//
// # Tables and records
//
// A [Table] maps keys to records, sorted by key. A [Record] is a payload with the
// version of its encoding. The caller encodes and decodes payloads. It keeps a
// decoder for each version that it ever wrote, so a new optional field is a new
// version and not a rewrite of the data. Each record has a checksum of its key, its
// version and its payload: a damaged record is an error, never a wrong answer.
//
// An [OrderIndex] keeps the rows of a table in order of creation and finds the n-th
// of them in constant time. An [Index] lists them in the order of other values. A [Scan]
// reads a list from a position on, forward or back.
//
// # Transactions
//
// [DB.View] runs a function in a read transaction. The function sees one state of
// all tables. Reads do not wait for writes, and writes do not wait for reads.
//
// [DB.Update] runs a function in a write transaction and returns when the
// transaction is on disk. One goroutine runs all write transactions. While it waits
// for an fsync, other calls of Update wait in a queue. It runs all of them in the next
// transaction. So the number of writes for each fsync grows with the load, and a
// single writer does not wait for others.
//
// # Failures
//
// If a commit fails, for example because the disk is full, the callers get a
// [domain.Unavailable] error. If the fsync of the commit's last page failed, it is
// unknown whether the transaction is on disk. The engine then writes that page again
// until an fsync succeeds, and opens the file again, before it runs the next write
// transaction. Until then writes return Unavailable and reads work.
//
// If an operation returns an unexpected error, its transaction is rolled back, and the
// other operations of the transaction run again without it.
//
// bbolt panics when it finds a damaged page, and its locks may stay held. If the
// memory-mapped file cannot be read, because the disk failed or another program cut off
// the file, the operating system reports a memory fault. After either, after a panic of
// an operation, and when another program has written into the open file, the DB has
// failed: every call returns Unavailable until the process restarts, and none waits. The
// cause is logged once, and Close returns it.
//
// If the file is removed, renamed or replaced while it is open, every call is Unavailable
// until the file is at its path again. Writes notice this before they return; without
// writes it is noticed within a second.
//
// Not every damage to an open file is noticed. A key in a page whose number of elements
// or whose keys another program changed may seem to be missing. If it changed the number
// of a page's overflow pages, a write that replaces the page frees pages in use, which
// later writes overwrite. Open finds both.
//
// # Opening a file
//
// [Open] reads the whole file once. It returns an error that names the file if a
// page is damaged, a page belongs to two tables, a record does not match its
// checksum or cannot be decoded, or a table is missing. It does not change such a
// file. Two million rows take about 0.4 seconds. It also returns an error if an index does
// not have as many rows as its table.
//
// [DB.Check] and [DB.Backup] read the pages of one read transaction in the same way, while
// other transactions write. Check also calls a function that compares the tables with each
// other.
//
// # Formats and migrations
//
// A file has a format number. A [Schema] describes the tables of each format and the
// migrations: the numbered steps from each format to the next one. A migration
// writes a new file next to the old file, checks it, and gives it the name of the
// old file by a rename. The old file stays, with the suffix ".format-" and its
// number. If a crash interrupts a migration, the old file stays in place, and the next
// Open starts the migration again. Open migrates only if its options allow it. It
// refuses a file of a later format.
package engine
