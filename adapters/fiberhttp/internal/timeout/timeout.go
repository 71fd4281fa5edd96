// Package timeout has deadlines without a timer for contexts and for connections. Few
// requests ever reach a deadline, but their timers take about 8% of the CPU time of a
// GET (measured over sockets, in rounds that alternated with [context.WithDeadline]
// and the deadlines that fasthttp sets).
package timeout
