package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/widgetd/widgetd/adapters/mongodb"
)

// stores are the programs and opponents of the measurements on embedded stores.
type stores struct {
	few, signed, pages, many *server // signed: the tokens are signed with Ed25519
	bare, raw, usual         *process
	writes                   *durableWrites
}

// onBoltDB measures the program on embedded stores. It measures reads first, because
// writes make a store grow and log-ins take memory.
func (b *benchmark) onBoltDB(ctx context.Context) error {
	s, err := b.startStores(ctx)
	if err != nil {
		return err
	}
	size, err := s.many.fileSize()
	if err != nil {
		return err
	}
	b.found.Startup = &startup{b.Widgets, size, s.many.started}
	if err := b.compareAll(ctx, b.reads(s)); err != nil {
		return err
	}
	if b.Only == "" {
		if b.found.Memory, err = b.readMany(s.many); err != nil {
			return err
		}
	}
	return b.compareAll(ctx, b.writes(s))
}

func (b *benchmark) startStores(ctx context.Context) (s stores, err error) {
	if s.few, err = b.serveBoltDB(ctx, fewWidgets); err != nil {
		return s, err
	}
	edKey, err := ed25519Key(b.folder)
	if err != nil {
		return s, err
	}
	if s.signed, err = b.serveBoltDBWithKey(ctx, fewWidgets, edKey); err != nil {
		return s, err
	}
	if s.pages, err = b.serveBoltDB(ctx, pageWidgets); err != nil {
		return s, err
	}
	if s.many, err = b.serveBoltDB(ctx, b.Widgets); err != nil {
		return s, err
	}
	if s.bare, err = b.serveBare(ctx, s.few); err != nil {
		return s, err
	}
	if s.raw, err = b.serveRaw(ctx, s.few); err != nil {
		return s, err
	}
	if s.usual, err = b.serveUsual(ctx, s.few); err != nil {
		return s, err
	}
	s.writes, err = newDurableWrites(b.folder, b.Connections, b.Tokens)
	if err == nil {
		b.closers = append(b.closers, s.writes.close)
	}
	return s, err
}

// reads returns the comparisons of reads.
func (b *benchmark) reads(s stores) []comparison {
	few, many := s.few, s.many
	atMany, atFew := fmt.Sprintf(" at %d widgets", b.Widgets), fmt.Sprintf("at %d", fewWidgets)
	over := func(connections int, target target) comparison {
		return comparison{
			fmt.Sprintf("get over %d connections", connections), target,
			few.getOver(connections, "widgetd", few.process), few.get(fmt.Sprintf("over %d", b.Connections), few.process),
		}
	}
	return []comparison{
		{"get", target{byCPU, 1.8, 1.6}, few.get("widgetd", few.process), few.get("fasthttp", s.raw)},
		{"get", atLeast(1.75, 2), few.get("widgetd", few.process), few.get("usual service", s.usual)},
		{"get", atLeast(0.68, 0.75), few.get("widgetd", few.process), few.get("Fiber", s.bare)},
		{"current user", atLeast(0.68, 0.75), few.read("widgetd", few.process, ownUser), few.read("Fiber", s.bare, ownUser)},
		{"page of ten", atLeast(0.68, 0.75), few.read("widgetd", few.process, firstPage), few.read("Fiber", s.bare, firstPage)},
		{"get by a lone client", target{}, few.getOver(1, "widgetd", few.process), few.getOver(1, "usual service", s.usual)},
		{"get by a lone client", target{}, few.getOver(1, "widgetd", few.process), few.getOver(1, "Fiber", s.bare)},
		over(1000, target{}), over(2000, target{}), over(4000, atLeast(0.8, 0)),
		s.pages.lastPageToFirst(atLeast(0.95, 0)),
		{"get with EdDSA", target{}, s.signed.get("widgetd", s.signed.process), few.get("HS256", few.process)},
		{"get" + atMany, atLeast(0.9, 0), many.get("widgetd", many.process), few.get(atFew, few.process)},
		{"page of ten" + atMany, target{}, many.read("widgetd", many.process, firstPage), few.read(atFew, few.process, firstPage)},
		many.lastPageToFirst(target{}),
	}
}

// writes returns the comparisons of writes and log-ins.
func (b *benchmark) writes(s stores) []comparison {
	few, many := s.few, s.many
	atMany, atFew := fmt.Sprintf(" at %d widgets", b.Widgets), fmt.Sprintf("at %d", fewWidgets)
	return []comparison{
		{"log in", atLeast(0.95, 0), few.logIn("widgetd").inLongRounds(), rawArgon2id().inLongRounds()},
		{"create", atLeast(0.3, 0), few.create("widgetd"), s.writes.creates()},
		{"log out", atLeast(0.25, 0), few.logOut("widgetd"), s.writes.logOuts()},
		{"create by a lone client", target{byTime, 1.2, 0}, few.createOver(1, "widgetd"), s.writes.oneSync()},
		{"create by a lone client", target{}, few.createOver(1, "widgetd"), s.writes.commit()},
		{"log out by a lone client", target{byTime, 1.2, 0}, few.logOutOver(1, "widgetd"), s.writes.oneSync()},
		{"create" + atMany, target{}, many.create("widgetd"), few.create(atFew)},
		{"log out" + atMany, target{}, many.logOut("widgetd"), few.logOut(atFew)},
	}
}

// onMongoDB measures the program on one MongoDB store. The speed of a larger one depends
// on MongoDB, not on the program.
func (b *benchmark) onMongoDB(ctx context.Context) error {
	database, err := b.emptyDatabase(ctx)
	if err != nil {
		return err
	}
	store, err := mongodb.Open(ctx, b.MongoDBURI, mongodb.Options{})
	if err != nil {
		return err
	}
	key, err := secretKey()
	if err != nil {
		return err
	}
	few, err := b.serve(ctx, store, pageWidgets, key, "WIDGETD_MONGODB_URI="+b.MongoDBURI)
	if err != nil {
		return err
	}
	bare, err := b.serveBare(ctx, few)
	if err != nil {
		return err
	}
	insert := rawInsert(ctx, database, b.Connections)
	return b.compareAll(ctx, []comparison{
		{"get", target{}, few.get("widgetd", few.process), few.get("Fiber", bare)},
		{"current user", target{}, few.read("widgetd", few.process, ownUser), few.read("Fiber", bare, ownUser)},
		{"page of ten", target{}, few.read("widgetd", few.process, firstPage), few.read("Fiber", bare, firstPage)},
		few.lastPageToFirst(target{}),
		{"log in", target{}, few.logIn("widgetd").inLongRounds(), rawArgon2id().inLongRounds()},
		{"create", target{}, few.create("widgetd"), insert},
		{"log out", target{}, few.logOut("widgetd"), insert},
	})
}

// lastPageToFirst compares the last page of the widgets with the first page.
func (s *server) lastPageToFirst(target target) comparison {
	return comparison{
		fmt.Sprintf("last page of %d widgets", s.widgets), target,
		s.read("widgetd", s.process, lastPage(s.widgets)), s.read("first page", s.process, firstPage),
	}
}

func (b *benchmark) compareAll(ctx context.Context, all []comparison) error {
	for _, pair := range all {
		if !strings.Contains(pair.operation, b.Only) {
			continue
		}
		found, err := b.compare(ctx, pair)
		if err != nil {
			return err
		}
		b.found.Comparisons = append(b.found.Comparisons, found)
	}
	return nil
}
