package main

// mutant is a change of one file that breaks a promise.
type mutant struct {
	promise  string // the broken promise, in the words of the promise
	file     string // slash-separated, relative to the root of the module
	before   string // a text that is in the file exactly once
	after    string // what stands in its place
	folder   string // of the package whose test must fail
	testName string // of the test or the subtest
}

const (
	engine      = "adapters/boltdb/internal/engine"
	boltdb      = "adapters/boltdb"
	fiberhttp   = "adapters/fiberhttp"
	jwtsigner   = "adapters/jwtsigner"
	memory      = "adapters/memory"
	mongodb     = "adapters/mongodb"
	conformance = "ports/conformance"
)

// shortForm returns the promises of the mutants that .ci/run tests: one of each kind, where
// the test is built and run quickly.
func shortForm() []string {
	return []string{
		"a transaction is on disk before it is acknowledged",
		"a write is acknowledged after its commit",
		"a new file does not replace an existing one",
		"a record that does not match its checksum is refused",
		"a token of before the cut-off is refused",
		"every request asks the blacklist",
		"no token is accepted while the store does not answer",
		"a token carries the cut-off of its log-in",
		"no answer of the blacklist is remembered past a log-out",
		"a removed key takes the tokens that it verified with it",
		"an administrator is looked up in the store",
		"the limit is the number of failures, not one more",
		"a write holds to If-Match",
		"an update keeps the indexes",
		"a failed operation leaves an entry in the audit record",
		"a password is never printed",
		"a write is acknowledged by a majority",
		"the suite of a blacklist has a test of races",
	}
}

// mutants returns the list. A mutant belongs to the part of the program whose promise it
// breaks.
func mutants() []mutant {
	return []mutant{
		// Acknowledged writes are durable.
		{
			"a transaction is on disk before it is acknowledged",
			engine + "/file.go", "		NoStatistics: true,", "		NoStatistics: true, NoSync: true,",
			engine, "TestOpenFileSyncsEveryTransaction",
		},
		{
			"a write is acknowledged after its commit",
			engine + "/writer.go", "	return op.run(tx)",
			"	err := op.run(tx)\n	if err == nil {\n		op.done <- nil\n	}\n	return err",
			engine, "TestFullDisk",
		},
		{
			"a failed fsync is settled before the next write",
			engine + "/writer.go", "		db.inDoubt = db.shows(id)", "		db.inDoubt = false",
			engine, "TestFailedSyncIsRecoveredBeforeTheNextWrite",
		},
		{
			"a write into a file that was moved away is not acknowledged",
			engine + "/writer.go", "		misplaced = db.checkPlace()", "		misplaced = nil",
			engine, "TestAcknowledgedWritesAreInTheFileAtThePath",
		},
		{
			"a file gets its name after its content is on disk",
			"adapters/internal/durable/durable.go", "		err = temp.Sync()", "		err = nil",
			"app", "TestPowerCuts",
		},
		{
			"a name is on disk before the file is used",
			"adapters/internal/durable/durable.go", "	return errors.Join(folder.Sync(), folder.Close())", "	return folder.Close()",
			"app", "TestPowerCuts",
		},
		{
			"a new file does not replace an existing one",
			"adapters/internal/durable/durable.go", "	err = link(temp, path)\n", "	err = os.Rename(temp, path)\n",
			"adapters/internal/durable", "TestCreateFile",
		},
		{
			"a record that does not match its checksum is refused",
			engine + "/table.go", "	if binary.BigEndian.Uint32(value) != checksum(key, content) {", "	if binary.BigEndian.Uint32(value) == 0 {",
			engine, "TestDamagedRecords",
		},
		{
			"a page without its elements is damage",
			engine + "/pages.go", "	if page.count == 0 && id != p.meta.root {", "	if page.count == 0 && page.kind == branchPage {",
			engine, "TestEveryPageWithoutElements",
		},
		{
			"a file of a later format is refused",
			engine + "/schema.go", "format > s.Format", "format > s.Format+1",
			engine, "TestLaterFormatIsRefused",
		},
		{
			"the old file is kept by a migration",
			engine + "/migrate.go", "	if !kept {", "	if kept {",
			engine, "TestMigrationWithoutHardLinks",
		},
		{
			"a backup is checked while it is made",
			engine + "/backup.go", "		err := s.check(func(int) error { return db.Ready(ctx) })\n", "		var err error\n",
			engine, "TestBackupAndCheckFindDamage",
		},
		{
			"a store that is closed does not answer from memory",
			boltdb + "/blacklist.go", "func (b *blacklist) Check(ctx context.Context, claims domain.Claims) (domain.Revocation, error) {\n	if err := b.engine.Ready(ctx); err != nil {\n		return domain.Revocation{}, err\n	}\n",
			"func (b *blacklist) Check(_ context.Context, claims domain.Claims) (domain.Revocation, error) {\n",
			boltdb, "TestCloseMakesEverythingUnavailable",
		},
		{
			"an export without its last line is not taken for whole",
			"app/transfer/import.go", "		return i.compare(end.counts)",
			"		return nil",
			"app/transfer", "TestFileThatIsNotOneWholeExportIsInvalid",
		},
		{
			"an import changes no record of the store",
			"app/transfer/store.go", "	if err != nil || kept.LoggedOut {",
			"	if err != nil || kept.LoggedOut && token.Lifetime == 0 {",
			"app/transfer", "TestExistingRecordsStayAsTheyAre",
		},

		// A log-out ends a token at once.
		{
			"a logged-out token is refused",
			"domain/cutoff.go", "	case r.LoggedOut, r.CutOff != UUID{} && r.CutOff != claims.CutOff:", "	case r.CutOff != UUID{} && r.CutOff != claims.CutOff:",
			"domain", "TestRevocationCheck",
		},
		{
			"a token of before the cut-off is refused",
			"domain/cutoff.go", "	case r.LoggedOut, r.CutOff != UUID{} && r.CutOff != claims.CutOff:", "	case r.LoggedOut:",
			"domain", "TestRevocationCheck",
		},
		{
			"a token of a deleted account is invalid",
			"domain/cutoff.go", "	case r.CutOff == AccountDeleted:", "	case r.CutOff == AccountDeleted && claims.CutOff != UUID{}:",
			"domain", "TestRevocationCheck",
		},
		{
			"every request asks the blacklist",
			"app/auth/auth.go", "	if err := revocation.Check(claims); err != nil {", "	if err := revocation.Check(claims); err != nil && claims.Admin {",
			"app/auth", "TestAuthenticateChecksSignatureThenExpiryThenBlacklist",
		},
		{
			"no token is accepted while the store does not answer",
			"app/auth/auth.go", "	revocation, err := s.keeper.Blacklist.Check(ctx, claims)\n	if err != nil {", "	revocation, err := s.keeper.Blacklist.Check(ctx, claims)\n	if err != nil && domain.KindOf(err) != domain.Unavailable {",
			"app/auth", "TestAuthenticateFailsClosed",
		},
		{
			"the expiry is checked for remembered tokens too",
			"app/auth/auth.go", "	if err := claims.CheckAt(s.keeper.Clock.Now()); err != nil {", "	if err := claims.CheckAt(claims.IssuedAt); err != nil {",
			"app/auth", "TestExpiryFollowsTheWallClockAlone",
		},
		{
			"a log-out reaches the blacklist",
			"app/auth/auth.go", "		return s.keeper.Blacklist.Add(ctx, domain.NewBlacklistedToken(claims))", "		return nil",
			"app/auth", "TestLogOutBlacklistsTheTokenUntilItExpires",
		},
		{
			"a token carries the cut-off of its log-in",
			"app/auth/auth.go", "	claims.CutOff = cutOff\n", "	_ = cutOff\n",
			"app/auth", "TestTokenOfALogInCarriesTheCutOff",
		},
		{
			"the signer writes the cut-off into the token",
			jwtsigner + "/signer.go", "		payload[cutOffClaim] = claims.CutOff.String()", "		_ = cutOffClaim",
			jwtsigner, "TestRoundTrip",
		},
		{
			"a token is refused at the second in which it expires",
			"domain/claims.go", "	case !now.Before(c.ExpiresAt):", "	case now.After(c.ExpiresAt):",
			"domain", "TestClaimsAreValidFromIssueToExpiry",
		},
		{
			"a logged-out token is remembered until it expires by both clocks",
			"domain/retention.go", "	return !now.Before(r.ExpiresAt) && running >= r.Until", "	return !now.Before(r.ExpiresAt) || running >= r.Until",
			"domain", "TestRetentionEndsByBothClocks",
		},
		{
			"a cut-off is remembered as long as the longest token lives",
			"domain/cutoff.go", "	lifetime := max(ttl, minCutOffLifetime)", "	lifetime := ttl",
			"domain", "TestCutOffIsRememberedAsLongAsTheLongestToken",
		},
		{
			"the blacklist is read again after a restart",
			boltdb + "/blacklist.go", "			retentions[token.id] = later(retentions, token.id, token.retention)", "			_ = later(retentions, token.id, token.retention)",
			boltdb, "TestBlacklistDurable",
		},
		{
			"a cut-off is in memory when it is acknowledged",
			boltdb + "/cutoffs.go", "	b.cutOffs[subject] = c\n", "	_ = c\n",
			boltdb, "TestBlacklist",
		},
		{
			"a change of the role ends the tokens",
			"app/accounts/change.go", "	if after.Admin == before.Admin && after.PasswordHash", "	if after.PasswordHash",
			"app/accounts", "TestChangeWritesTheAccountThenEndsItsTokens",
		},
		{
			"no answer of the blacklist is remembered past a log-out",
			"app/auth/auth.go", "	revocation, err := s.keeper.Blacklist.Check(ctx, claims)\n	if err != nil {\n		return domain.Claims{}, err\n	}\n	if err := revocation.Check(claims); err != nil {\n		return domain.Claims{}, err\n	}\n	return claims, nil\n}\n",
			"	if accepted[claims.ID] {\n		return claims, nil\n	}\n	revocation, err := s.keeper.Blacklist.Check(ctx, claims)\n	if err != nil {\n		return domain.Claims{}, err\n	}\n	if err := revocation.Check(claims); err != nil {\n		return domain.Claims{}, err\n	}\n	accepted[claims.ID] = true\n	return claims, nil\n}\n\nvar accepted = map[domain.UUID]bool{}\n",
			"app/auth", "TestAcceptedTokenIsRefusedAfterItsLogOut",
		},
		{
			"a client remembers no answer unless it is told to",
			"adapters/introspection/introspection.go", "	if config.Remember > 0 {\n		c.memory = newMemory(config.Remember)",
			"	if config.Remember >= 0 {\n		c.memory = newMemory(MaxRemember)",
			"adapters/introspection", "TestEveryTokenIsAskedForByDefault",
		},
		{
			"a request whose token cannot be checked is refused",
			"adapters/httpauth/httpauth.go", "			err = check(claims)\n		}\n		if err != nil {",
			"			err = check(claims)\n		}\n		if err != nil && domain.KindOf(err) != domain.Unavailable {",
			"adapters/httpauth", "TestOnlyAValidTokenIsLetThrough",
		},
		{
			"a log-in reads the cut-off before the account",
			"app/auth/auth.go", "		if cutOff, err = s.keeper.Blacklist.CutOff(ctx, found.PublicID); err != nil {\n			return domain.User{}, domain.UUID{}, err\n		}\n		user, err = s.keeper.Users.ByPublicID(ctx, found.PublicID)\n",
			"		user, err = s.keeper.Users.ByPublicID(ctx, found.PublicID)\n		var cutOffErr error\n		if cutOff, cutOffErr = s.keeper.Blacklist.CutOff(ctx, found.PublicID); cutOffErr != nil {\n			return domain.User{}, domain.UUID{}, cutOffErr\n		}\n",
			"app/auth", "TestLogInChecksThePasswordThatTheAccountHasAfterTheCutOffWasRead",
		},
		{
			"a new password ends the tokens",
			"app/auth/password.go", "		cutOff, err := s.keeper.EndTokens(ctx, claims.Subject)",
			"		cutOff, err := claims.CutOff, ctx.Err()",
			"app/auth", "TestChangePasswordIssuesATokenThatCarriesTheCutOff",
		},
		{
			"unregistering ends the tokens",
			"app/auth/password.go", "		if err := s.keeper.EndTokensOfDeleted(ctx, claims.Subject); err != nil {\n			return err\n		}\n",
			"",
			"app/auth", "TestUnregisterDeletesTheAccountAndItsTokens",
		},
		{
			"a purge keeps a token that was added again",
			boltdb + "/blacklist.go", "record.Version != row.Version || !bytes.Equal(record.Payload, row.Payload) {",
			"record.Version != row.Version || !bytes.Equal(row.Payload, row.Payload) {",
			boltdb, "TestAddDuringPurgeIsKept",
		},

		// Only tokens that are signed with a known key are accepted.
		{
			"the algorithm belongs to the key",
			jwtsigner + "/signer.go", "	if token.Method != k.method {",
			"	if token.Method == jwt.SigningMethodHS256 && !k.IsSecret() {\n		return []byte(fmt.Sprintf(\"%s\", k.public)), nil\n	}\n	if token.Method != k.method {",
			jwtsigner, "TestAdversary",
		},
		{
			"a token with an unknown critical header is refused",
			jwtsigner + "/signer.go", `	if _, found := token.Header["crit"]; found {`, `	if _, found := token.Header["crit"]; !found && token.Header == nil {`,
			jwtsigner, "TestConformance",
		},
		{
			"a token for another audience is refused",
			jwtsigner + "/signer.go", "		if !isAudience(audience, s.audience) {", "		if audience == nil {",
			jwtsigner, "TestIssuerAndAudience",
		},
		{
			"an invalid token is not remembered as valid",
			jwtsigner + "/signer.go", "	key, claims, err := s.verify(r, token)\n	if err != nil {", "	key, claims, err := s.verify(r, token)\n	if err != nil && key != nil {\n		key.cache.add(sum, claims)\n	}\n	if err != nil {",
			jwtsigner, "TestVerifyRefusesBadClaims",
		},
		{
			"a removed key takes the tokens that it verified with it",
			jwtsigner + "/ring.go", "		r.keys = append(r.keys, &verifier{key, v.cache})", "		r.keys = append(r.keys, &verifier{key, v.cache})\n		if earlier != nil {\n			r.keys[len(r.keys)-1].cache = earlier.keys[0].cache\n		}",
			jwtsigner, "TestRotation",
		},
		{
			"the JWKS has no secret",
			jwtsigner + "/ring.go", "		if v.IsSecret() {\n			continue\n		}\n		members, err", "		if v.IsSecret() {\n			set.Keys = append(set.Keys, map[string]string{\"kid\": v.id})\n			continue\n		}\n		members, err",
			jwtsigner, "TestJWKSHasThePublicKeysOnly",
		},
		{
			"a rotated key verifies until its last token expires",
			jwtsigner + "/lifetime.go", "	last := now.Add(l.TokenTTL)", "	last := now.Add(l.TokenTTL / 2)",
			jwtsigner, "TestRotatedSecretVerifiesUntilItsLastTokenExpires",
		},
		{
			"a key file that others may read is refused",
			jwtsigner + "/previous.go", "	if mode := info.Mode().Perm(); isOpenToOthers(path, mode) {", "	if mode := info.Mode().Perm(); isOpenToOthers(path, mode) && mode > 0o777 {",
			jwtsigner, "TestFileThatCannotBeUsedIsNamed",
		},
		{
			"a change of any character of a token is noticed",
			jwtsigner + "/signer.go", "			jwt.WithStrictDecoding(),\n",
			"",
			jwtsigner, "TestVerifyRefusesEveryOtherLastCharacter",
		},
		{
			"a request with two tokens is refused",
			"adapters/httpauth/httpauth.go", "	if len(lines) > 1 {",
			"	if len(lines) > 2 {",
			"adapters/httpauth", "TestOnlyAValidTokenIsLetThrough",
		},

		// Roles.
		{
			"an administrator is looked up in the store",
			"app/internal/authorize/authorize.go", "	if !user.Admin {", "	if !user.Admin && !claims.Admin {",
			"app/accounts", "TestEveryMethodLooksAtTheAccountOfTheActor",
		},
		{
			"a disabled account does nothing",
			"app/internal/authorize/authorize.go", "	case user.Disabled:", "	case user.Disabled && !user.Admin:",
			"app/accounts", "TestEveryMethodLooksAtTheAccountOfTheActor",
		},
		{
			"one administrator stays",
			boltdb + "/users.go", "		if !changed.IsActiveAdmin() {", "		if changed.Disabled {",
			boltdb, "TestUsers",
		},
		{
			"a wrong password and an unknown email take the same time",
			"app/auth/auth.go", "		match, outdated, err := s.keeper.Hasher.Verify(ctx, user.PasswordHash, password)", "		if user.PublicID == (domain.UUID{}) {\n			return domain.ErrCredentialsMismatch\n		}\n		match, outdated, err := s.keeper.Hasher.Verify(ctx, user.PasswordHash, password)",
			"app/auth", "TestLogInHidesWhetherTheAccountExists",
		},
		{
			"a closed registration is closed",
			fiberhttp + "/auth.go", "	if s.config.RegistrationClosed {", "	if s.config.RegistrationClosed && len(c.Body()) == 0 {",
			fiberhttp, "TestClosedRegistrationIsRefusedBeforeTheBody",
		},
		{
			"introspection needs its secret",
			fiberhttp + "/introspect.go", "	return equal == 1", "	return equal == 1 || len(texts) > 1",
			fiberhttp, "TestIntrospectionNeedsItsSecret",
		},
		{
			"only a trusted proxy names the client",
			fiberhttp + "/client.go", "i >= 0 && s.isTrustedProxy(addr); i--",
			"i >= 0; i--",
			fiberhttp, "TestClientIsTheLastAddressThatIsNoTrustedProxy",
		},
		{
			"a request that can be read in two ways is refused",
			fiberhttp + "/middleware.go", "	if connections.Refusal(conn) != nil {",
			"	if connections.Refusal(conn) != nil && c.Method() == \"\" {",
			fiberhttp, "TestTwoAuthorizationHeadersAreABadRequest",
		},
		{
			"no page of the internet reads the metrics",
			"adapters/metrics/host.go", "		if !isLocalHost(r.Host) {",
			"		if !isLocalHost(r.RemoteAddr) {",
			"adapters/metrics", "TestLoopbackServerRefusesForeignHosts",
		},
		{
			"only the owner of the folder reaches the control socket",
			"adapters/control/socket_unix.go", "os.Chmod(created, 0o600)",
			"os.Chmod(created, 0o666)",
			"adapters/control", "TestSocketIsForItsOwnerOnly",
		},

		// Limits.
		{
			"the limit is the number of failures, not one more",
			memory + "/attempts.go", "	id := attemptKey{limit.Name, key}\n", "	id := attemptKey{limit.Name, key}\n	limit.Max++\n",
			memory, "TestAttemptLimiter/LimitsEvents",
		},
		{
			"simultaneous attempts are counted before they end",
			memory + "/attempts.go", "	case c.events+c.active >= limit.Max:\n		c.waiting++", "	case c.events >= limit.Max:\n		c.waiting++",
			memory, "TestAttemptLimiter/WaitsForAttemptsInProgress",
		},
		{
			"the database refuses an attempt after the maximum",
			mongodb + "/attempts.go", "Value: bson.D{{Key: \"$lt\", Value: int64(limit.Max)}}", "Value: bson.D{{Key: \"$lte\", Value: int64(limit.Max)}}",
			mongodb, "TestAttemptLimiter/RaceOfEvents",
		},
		{
			"an attempt takes nothing from the counter of a later window",
			mongodb + "/attempts.go", "bson.D{byID(c.id), {Key: windowField, Value: binary(c.window)}}", "bson.D{byID(c.id)}",
			mongodb, "TestAttemptLimiter/EndInALaterWindow",
		},
		{
			"an attempt of a crashed server counts",
			mongodb + "/attempts.go", "c.active > 0 && now.Sub(c.latest).Abs() < lostAfter", "c.active > 0",
			mongodb, "TestAttemptsOfACrashedServerCountUntilTheWindowEnds",
		},
		{
			"the counters of attempts have no email",
			mongodb + "/attempts.go", "	return bson.Binary{Data: mac.Sum(nil)}", "	return bson.Binary{Data: []byte(limit.Name + key)}",
			mongodb, "TestCountersHaveNoEmailAndNoAddress",
		},
		{
			"nobody logs in while the attempts cannot be counted",
			fiberhttp + "/attempts.go", "	a.counted, err = s.attempts.Begin(c.UserContext(), l.AttemptLimit, client.String()+\" \"+emailKey)\n	if err != nil {", "	a.counted, err = s.attempts.Begin(c.UserContext(), l.AttemptLimit, client.String()+\" \"+emailKey)\n	if err != nil && domain.KindOf(err) != domain.Unavailable {",
			fiberhttp, "TestNothingIsLetThroughWhileAttemptsCannotBeCounted",
		},
		{
			"an unknown email counts as a failed log-in",
			fiberhttp + "/auth.go", "func isWrongPassword(err error) bool { return errors.Is(err, domain.ErrCredentialsMismatch) }", "func isWrongPassword(err error) bool { return errors.Is(err, domain.ErrTokenInvalid) }",
			fiberhttp, "TestFailedLogInsAreLimited",
		},

		// Versions and lists.
		{
			"a write holds to If-Match",
			"domain/version.go", "	return (c.Match == nil || c.Match.Has(v)) && ", "	return ",
			"domain", "TestCondition",
		},
		{
			"a weak tag does not match If-Match",
			fiberhttp + "/versions.go", "ok && (weak || !tag.weak) {",
			"ok {",
			fiberhttp, "TestWritesTakeTheConditionFromTheHeaders",
		},
		{
			"every write raises the version",
			"domain/widget.go", "	w.Version++\n", "",
			"domain", "TestChangedChangesOneFieldAndRaisesTheVersion",
		},
		{
			"an update keeps the indexes",
			boltdb + "/widgetindexes.go", "		if err := index.Remove(tx, from); err != nil {\n			return err\n		}\n		if err := index.Add(tx, to)", "		if err := index.Add(tx, to)",
			boltdb, "TestIndexesMatchAModel",
		},
		{
			"a deletion keeps the indexes",
			boltdb + "/widgets.go", "	if err := removeFromIndexes(tx, key, widget); err != nil {\n		return domain.Widget{}, err\n	}\n", "",
			boltdb, "TestIndexesMatchAModel",
		},
		{
			"both bounds of a deadline are inclusive",
			"domain/slice.go", "!at.After(q.To.Time())", "at.Before(q.To.Time())",
			"domain", "TestQueryIncludesBothBounds",
		},
		{
			"a cursor that the server has not made is refused",
			"domain/cursor.go", "	if !hmac.Equal(b[1:1+macBytes], k.mac(position, query)) {", "	if len(b) < 1+macBytes {",
			"domain", "TestOtherCursorsAreRefused",
		},
		{
			"a cursor belongs to its query",
			"domain/cursor.go", `cursorVersion, len(position), position, query)`, `cursorVersion, len(position), position, "")`,
			"domain", "TestOtherCursorsAreRefused",
		},

		// The audit record, and secrets that no text may show.
		{
			"a refused write leaves an entry in the audit record",
			fiberhttp + "/audit.go", "	if r.recorded || r.method", "	if r.recorded || kindOf(err) == domain.Forbidden || r.method",
			fiberhttp, "TestEveryWriteLeavesOneEntry",
		},
		{
			"a failed operation leaves an entry in the audit record",
			"app/internal/audited/audited.go", "	if recordErr := audit.Record(ctx, event); err == nil {", "	if err != nil {\n		return err\n	}\n	if recordErr := audit.Record(ctx, event); err == nil {",
			"app/auth", "TestEventsOfRefusedLogIns",
		},
		{
			"nothing is written without the audit record",
			"app/internal/audited/audited.go", "	if err := audit.Ready(ctx); err != nil {\n		return err\n	}\n", "",
			"app/keys", "TestNoKeyIsRotatedWhileTheRecordTakesNoEntry",
		},
		{
			"a password is never printed",
			"domain/password.go", "func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, asterisks) }", "func (p Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.text) }",
			"domain", "TestPasswordIsNeverPrinted",
		},
		{
			"a response does not show the cause of an error",
			fiberhttp + "/errors.go", "	s.logCause(c, err)\n	return respond(c, status, statusBody{Message: text})\n}", "	s.logCause(c, err)\n	return respond(c, status, statusBody{Message: err.Error()})\n}",
			fiberhttp, "TestEveryErrorOfEveryPortIsAResponse",
		},
		{
			"the password in a URL is not recorded",
			"app/widgets/widgets.go", "change.InfoURL.Redacted()", "change.InfoURL.String()",
			"app/widgets", "TestPasswordInAURLIsNotRecorded",
		},
		{
			"an email is removed from widgets when no request can write it again",
			"app/departures/departures.go", "	if now-s.since[id] < SettleAfter {", "	if now-s.since[id] < 0 {",
			"app/departures", "TestAccountIsSettledAMinuteAfterItWasSeen",
		},
		{
			"a rotation of keys leaves an entry in the audit record",
			"app/keys/keys.go", "	err = audited.Do(ctx, s.audit, event,",
			"	err = audited.Do(ctx, nil, event,",
			"app/keys", "TestOperatorListsAndRotatesKeys",
		},
		{
			"no entry of the audit record is dropped",
			"adapters/logging/audit.go", "	return Audit{newHandler: w.newHandler, ready: w.awaitReady, write: w.writeKept}",
			"	return Audit{newHandler: w.newHandler, ready: w.awaitReady, write: func(_ context.Context, line []byte) error {\n		_, err := w.Write(line)\n		return err\n	}}",
			"adapters/logging", "TestAuditLinesSurviveABlockedLog",
		},
		{
			"the log level does not silence the audit record",
			"adapters/logging/audit.go", "	if err := a.newHandler(&line).Handle(ctx, record); err != nil {",
			"	handler := a.newHandler(&line)\n	if !handler.Enabled(ctx, record.Level) {\n		return nil\n	}\n	if err := handler.Handle(ctx, record); err != nil {",
			"adapters/logging", "TestLogLevelDoesNotSilenceTheAuditRecord",
		},
		{
			"a key is printed without its secret",
			jwtsigner + "/key.go", "func (k Key) String() string { return k.Algorithm() + \" \" + k.id }",
			"func (k Key) String() string { return k.Algorithm() + \" \" + fmt.Sprint(k.private) }",
			jwtsigner, "TestKeyShowsNoSecret",
		},
		{
			"widgetd config shows no secret",
			"cmd/widgetd/config.go", "	return fmt.Sprintf(\"(hidden, %d bytes)\", len(secret))",
			"	return fmt.Sprintf(\"(%s, %d bytes)\", secret, len(secret))",
			"cmd/widgetd", "TestConfigShowsEverySettingAndItsOrigin",
		},
		{
			"the log has no query",
			fiberhttp + "/request.go", "	path := c.Context().URI().PathOriginal()",
			"	path := c.Context().URI().RequestURI()",
			fiberhttp, "TestPathWithoutARouteIsLoggedAtDebugOnly",
		},
		{
			"no cache keeps a response",
			fiberhttp + "/headers.go", "	setHeader(c, fiber.HeaderCacheControl, \"no-store\")\n",
			"",
			fiberhttp, "TestRegisterAndLogInReturnAToken",
		},
		{
			"a client is told when to try again",
			fiberhttp + "/errors.go", "		return respondLater(c, status, max(retryAfter, domain.RetryAfter(err)), statusBody{Message: text})",
			"		return respond(c, status, statusBody{Message: text})",
			fiberhttp, "TestEveryErrorOfEveryPortIsAResponse",
		},

		// Several servers on MongoDB.
		{
			"a write is acknowledged by a majority",
			mongodb + "/client.go", `W: "majority", Journal`, `W: 1, Journal`,
			mongodb, "TestURICannotWeakenTheConcerns",
		},
		{
			"the blacklist is read from the primary",
			mongodb + "/client.go", "SetReadPreference(readpref.Primary())", "SetReadPreference(readpref.Nearest())",
			mongodb, "TestURICannotWeakenTheConcerns",
		},
		{
			"a write is on the disks of a majority",
			mongodb + "/client.go", "	journaled := true",
			"	journaled := false",
			mongodb, "TestURICannotWeakenTheConcerns",
		},
		{
			"the primary dates new documents",
			mongodb + "/widgets.go", "{Key: \"seq\", Value: bson.Timestamp{}},",
			"{Key: \"seq\", Value: bson.Timestamp{T: uint32(widget.CreatedAt.Unix())}},",
			mongodb, "TestPrimaryFillsInTheTimestamps",
		},
		{
			"a read of another blacklist is unavailable",
			mongodb + "/blacklist.go", "		return nil, unavailable(errLost)",
			"		return docs, nil",
			mongodb, "TestLostBlacklistIsUnavailable",
		},
		{
			"a log-out in another blacklist is not acknowledged",
			mongodb + "/blacklist.go", "	return b.running.check(ctx)",
			"	return nil",
			mongodb, "TestLostBlacklistIsUnavailable",
		},
		{
			"a write that no majority confirms is not acknowledged",
			mongodb + "/errors.go", "		return unavailable(write.WriteConcernError) // also",
			"		return nil // also",
			mongodb, "TestServerErrorsHaveTheRightKind",
		},
		{
			"an error of a server that passes is unavailable",
			mongodb + "/errors.go", "		throttled,\n",
			"",
			mongodb, "TestServerErrorsHaveTheRightKind",
		},
		{
			"the error of a duplicate does not show the email",
			mongodb + "/errors.go", "		return domain.AlreadyExists // without the cause",
			"		return errors.Join(domain.AlreadyExists, err) // without the cause",
			mongodb, "TestServerErrorsHaveTheRightKind",
		},
		{
			"the error of a URI does not show the password",
			mongodb + "/errors.go", "		return \"…\"",
			"		return quotation",
			mongodb, "TestOpenRejectsAMalformedURI",
		},
		{
			"a document without a unique index is not acknowledged",
			mongodb + "/uniqueness.go", "	err := u.check(ctx)\n	if errors.Is",
			"	err := ctx.Err()\n	if errors.Is",
			mongodb, "TestNoDuplicateWithoutAUniqueIndex",
		},
		{
			"the servers' purges keep a token that was added again",
			mongodb + "/collection.go", "		filter..., // the documents may have changed\n",
			"",
			mongodb, "TestTokenThatIsAddedDuringAPurgeStays",
		},
		{
			"an update on MongoDB holds to If-Match",
			mongodb + "/widgetchanges.go", "	if condition.Match != nil && !condition.Match.Every {",
			"	if condition.Match != nil && condition.Match.Every {",
			mongodb, "TestOneOfManyUpdatesWithAVersionWins",
		},
		{
			"an excluded server writes nothing",
			mongodb + "/uniqueness.go", "	if err := u.admit(); err != nil {\n		return err\n	}\n",
			"",
			mongodb, "TestLaterServerExcludesThisOne",
		},
		{
			"a linearizable read is of one document",
			mongodb + "/blacklist.go", "	if b.singly {", "	if false {",
			mongodb, "TestLinearizableReadsAreOfOneDocument",
		},
		{
			"the database stops a query at the time limit",
			mongodb + "/collection.go", "max(limit.Milliseconds(), 1)", "24 * limit.Milliseconds()",
			mongodb, "TestURICannotWeakenTheConcerns",
		},
		{
			"a throttled client is told when to try again",
			mongodb + "/errors.go", "RetryAfter: retryAfter(cause)", "RetryAfter: 0",
			mongodb, "TestThrottledCommandNamesATime",
		},

		// The conformance suites find a bad adapter.
		{
			"the suite of a blacklist has a test of races",
			conformance + "/blacklist.go", "		{\"RaceForLaterExpiry\", blacklist.raceForLaterExpiry},\n", "",
			conformance, "TestSuitesDetectMutants/TokenBlacklist",
		},
		{
			"the suite of widgets has a test of lost updates",
			conformance + "/widgets.go", "		{\"RaceToUpdateVersion\", widgets.raceToUpdateVersion},\n", "",
			conformance, "TestSuitesDetectMutants/WidgetRepository",
		},
		{
			"the suite of widgets has a test of bounds",
			conformance + "/widgets.go", "		{\"SliceWithBounds\", widgets.sliceWithBounds},\n", "",
			conformance, "TestSuitesDetectMutants/WidgetRepository",
		},
	}
}
