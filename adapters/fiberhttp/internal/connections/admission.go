package connections

import (
	"cmp"
	"slices"
	"time"
)

const (
	// admissionTime is how long a connection waits for another to be closed.
	admissionTime = time.Second

	// maxWaiting is the number of connections that wait. One more closes the first
	// of them.
	maxWaiting = 64

	// stallTime is the time after which a connection may be closed for another
	// although it is not idle: its client sends a request or reads a response too
	// slowly.
	stallTime = 2 * time.Second

	// maxReserved is the number of connections that are kept for this machine: for
	// a container's health probe. It is at most a sixteenth of all.
	maxReserved = 8

	// searchPause is the time between a search that found no connection to close and
	// the next search. A search examines every connection.
	searchPause = 10 * time.Millisecond
)

// client is a network that has open connections.
type client struct {
	connections int
	idlest      candidates // of the connections of the client
}

// admit passes a connection to Accept. If the limits do not allow that, the
// connection waits.
func (l *Listener) admit(c *conn) {
	l.mu.Lock()
	switch {
	case l.stopping:
		l.mu.Unlock()
		_ = c.tcp.Close()
		return
	case l.makeRoom(c):
		l.add(c)
		l.mu.Unlock()
		l.pass(c)
		return
	}
	defer l.mu.Unlock()
	l.warn()
	if len(l.waiting) == maxWaiting {
		l.reject(l.waiting[0])
	}
	l.waiting = append(l.waiting, c)
	time.AfterFunc(admissionTime, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.stopping && slices.Contains(l.waiting, c) && l.makeRoom(c) {
			l.letIn(c)
		}
		l.reject(c)
	})
}

// letIn passes a connection that waits to Accept.
func (l *Listener) letIn(c *conn) {
	l.waiting = slices.DeleteFunc(l.waiting, func(other *conn) bool { return other == c })
	l.add(c)
	go l.pass(c)
}

// warn logs that a limit is reached, at most once a minute.
func (l *Listener) warn() {
	if now := time.Now(); now.Sub(l.warned) >= warnPause {
		l.warned = now
		l.config.Log.Warn("the limit of connections is reached", "open", len(l.open),
			"max", l.config.MaxConnections, "max_per_client", l.config.MaxPerClient)
	}
}

// reject closes a connection that still waits.
func (l *Listener) reject(c *conn) {
	if i := slices.Index(l.waiting, c); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		_ = c.tcp.Close()
	}
}

// pass makes Accept return a connection.
func (l *Listener) pass(c *conn) {
	select {
	case l.ready <- c:
	case <-l.closing:
		_ = c.Close()
	}
}

func (l *Listener) add(c *conn) {
	l.open[c] = struct{}{}
	if !c.client.IsValid() {
		return
	}
	of := l.clients[c.client]
	if of == nil {
		of = &client{}
		l.clients[c.client] = of
	}
	of.connections++
}

// remove takes a connection off the open ones, and lets waiting ones in.
func (l *Listener) remove(c *conn) {
	l.hold(c, 0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(c)
	for _, next := range slices.Clone(l.waiting) {
		if !l.stopping && !l.isClientFull(next) && !l.isFull(next) {
			l.letIn(next)
		}
	}
}

// forget takes a connection off the open ones.
func (l *Listener) forget(c *conn) {
	if _, isOpen := l.open[c]; !isOpen {
		return
	}
	delete(l.open, c)
	if of := l.clients[c.client]; of != nil {
		if of.connections--; of.connections == 0 {
			delete(l.clients, c.client)
		}
	}
}

// makeRoom reports whether the limits allow the connection c. For each limit that is
// reached, it closes an idle connection if there is one.
func (l *Listener) makeRoom(c *conn) bool {
	if l.isClientFull(c) && !l.evict(&l.clients[c.client].idlest, func(other *conn) bool { return other.client == c.client }) {
		return false
	}
	return !l.isFull(c) || l.evict(&l.idlest, func(*conn) bool { return true })
}

// isClientFull reports whether the client of the connection c has as many connections as
// the limit for each client allows.
func (l *Listener) isClientFull(c *conn) bool {
	of := l.clients[c.client]
	return l.config.MaxPerClient > 0 && of != nil && of.connections >= l.config.MaxPerClient
}

// isFull reports whether as many connections are open as the limit for all clients allows.
// Connections of this machine have a few more.
func (l *Listener) isFull(c *conn) bool {
	most := l.config.MaxConnections
	if !c.local {
		most -= min(maxReserved, most/16)
	}
	return l.config.MaxConnections > 0 && len(l.open) >= most
}

// evictOne closes the connection that a new one may take the place of, if any.
func (l *Listener) evictOne() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.evict(&l.idlest, func(*conn) bool { return true })
}

// candidates are connections that may be closed for another one, the first of them first.
type candidates struct {
	found       []candidate
	pausedUntil time.Time // no search before this time: the last one found none
}

// candidate is a connection that may be closed for another, and its state when it
// was found.
type candidate struct {
	conn  *conn
	phase int32
	since int64
}

// find returns the connections that may be closed for another: the idle ones, and
// then those that are stalled, each beginning with the longest. It returns an
// eighth of them, so that a flood of connections does not search for each.
func (l *Listener) find(isMeant func(*conn) bool) []candidate {
	var found []candidate
	late := time.Now().Add(-stallTime).UnixNano()
	for c := range l.open {
		phase, since := c.phase.Load(), c.since.Load()
		if (phase == idle || (phase == receiving || phase == writing) && since < late) && isMeant(c) {
			found = append(found, candidate{c, phase, since})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if (a.phase == idle) != (b.phase == idle) {
			return cmp.Compare(a.phase, b.phase) // idle is the least
		}
		return cmp.Compare(a.since, b.since)
	})
	return found[:(len(found)+7)/8]
}

// evict closes one of the candidates and reports whether there was one. If no candidate is
// left, it searches for new ones among the connections for which isMeant returns true.
func (l *Listener) evict(from *candidates, isMeant func(*conn) bool) bool {
	if l.closeFirst(from) {
		return true
	}
	now := time.Now()
	if now.Before(from.pausedUntil) {
		return false
	}
	from.found = l.find(isMeant)
	if len(from.found) == 0 {
		from.pausedUntil = now.Add(searchPause)
	}
	return l.closeFirst(from)
}

// closeFirst closes the first of the candidates that is still in the same state. It
// reports whether there was one.
func (l *Listener) closeFirst(from *candidates) bool {
	for len(from.found) > 0 {
		first := from.found[0]
		from.found = from.found[1:]
		c := first.conn
		if _, isOpen := l.open[c]; isOpen && c.since.Load() == first.since && c.phase.CompareAndSwap(first.phase, closed) {
			l.forget(c)
			l.disconnect(c, first.phase)
			return true
		}
	}
	from.found = nil
	return false
}

// disconnect closes a connection and forgets its memory. Close waits for reads and
// writes to end, and these may wait for the lock of l, so it has a goroutine.
func (l *Listener) disconnect(c *conn, phase int32) {
	l.buffered.Add(-c.held.Swap(0))
	if phase == idle {
		go func() { _ = c.tcp.Close() }()
	} else {
		go c.drop()
	}
}

// hold sets the number of bytes that a connection holds in memory. When all hold
// too much, it closes connections that are stalled, beginning with the longest. It
// reports false if there are none: the request must be refused.
func (l *Listener) hold(c *conn, bytes int64) bool {
	before := c.held.Swap(bytes)
	if bytes == before {
		return true
	}
	now := l.buffered.Add(bytes - before)
	if l.config.MaxBuffered <= 0 || bytes < before || now <= l.config.MaxBuffered {
		return true
	}
	if l.freeing.TryLock() { // else another goroutine frees memory: do not wait for it with a buffer
		l.freeMemory(c)
		l.freeing.Unlock()
	}
	return l.buffered.Load() <= l.config.MaxBuffered
}

// freeMemory closes stalled connections until an eighth of the memory is free. It
// allocates nothing while it holds the lock of l: an allocation can wait for the
// garbage collector, and every connection that opens or closes would wait too.
func (l *Listener) freeMemory(except *conn) {
	if time.Now().Before(l.freePaused) {
		return
	}
	defer func() { clear(l.stalled) }() // so that the connections can be collected
	l.findStalled(except)
	slices.SortFunc(l.stalled, func(a, b candidate) int { return cmp.Compare(a.since, b.since) })
	for _, stalled := range l.stalled {
		if l.buffered.Load() <= l.config.MaxBuffered/8*7 {
			return
		}
		if c := stalled.conn; c.since.Load() == stalled.since && c.phase.CompareAndSwap(stalled.phase, closed) {
			l.mu.Lock()
			l.forget(c)
			l.mu.Unlock()
			l.disconnect(c, stalled.phase)
		}
	}
	if l.buffered.Load() > l.config.MaxBuffered {
		l.freePaused = time.Now().Add(searchPause)
	}
}

// findStalled fills l.stalled with the connections that hold memory and receive or write,
// in no order.
func (l *Listener) findStalled(except *conn) {
	l.mu.Lock()
	n := len(l.open)
	l.mu.Unlock()
	l.stalled = slices.Grow(l.stalled[:0], n)
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		phase := c.phase.Load()
		if (phase == receiving || phase == writing) && c.held.Load() > 0 && c != except && len(l.stalled) < cap(l.stalled) {
			l.stalled = append(l.stalled, candidate{c, phase, c.since.Load()})
		}
	}
}
