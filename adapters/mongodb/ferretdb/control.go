package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// orders explains the lines that control reads.
const orders = `elect DURATION
	take the role of the primary away; after DURATION, the next member has it
fail KIND COMMAND PROBABILITY TIMES
	let a command fail; KIND is cut-before, cut-after, write-concern, overload, step-down
	or outage; COMMAND is its name, or * for all that drivers repeat; TIMES -1 is no limit
miscount N
	add N to the number of documents in the metadata of each collection
calm
	end all faults
`

// control reads orders from in, one a line, until its end. It answers each with one line:
// "done", or the error.
func (s *replicaSet) control(in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := s.obey(strings.Fields(lines.Text())); err != nil {
			fmt.Fprintln(out, "error:", err)
			continue
		}
		fmt.Fprintln(out, "done")
	}
}

func (s *replicaSet) obey(order []string) error {
	var name string
	if len(order) > 0 {
		name, order = order[0], order[1:]
	}
	switch {
	case name == "elect" && len(order) == 1:
		after, err := time.ParseDuration(order[0])
		if err != nil {
			return err
		}
		s.elect(after)
	case name == "fail" && len(order) == 4:
		fault, err := parseFault(order)
		if err != nil {
			return err
		}
		s.faults.add(fault)
	case name == "miscount" && len(order) == 1:
		n, err := strconv.Atoi(order[0])
		if err != nil {
			return err
		}
		s.faults.miscountBy(n)
	case name == "calm" && len(order) == 0:
		s.faults.clear()
	default:
		return errors.New("no such order: see -help")
	}
	return nil
}

func parseFault(order []string) (f fault, err error) {
	f.kind, f.command = faultKind(order[0]), order[1]
	if !f.kind.isKnown() {
		return fault{}, fmt.Errorf("no such kind of fault: %s", f.kind)
	}
	if f.probability, err = strconv.ParseFloat(order[2], 64); err != nil {
		return fault{}, err
	}
	f.times, err = strconv.Atoi(order[3])
	return f, err
}
