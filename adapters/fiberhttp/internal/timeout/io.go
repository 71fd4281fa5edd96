package timeout

import "time"

// slack is the time by which a deadline may be too early. It lets one deadline serve
// many requests of a busy connection.
const slack = time.Second

// IO is the deadline for reading from a connection, or for writing to it. Apply, called
// before each Read or Write, sets the deadline only if the current one is too late, or
// too early by more than a second. Without IO, fasthttp sets three deadlines for every
// request.
//
// An IO is used by one goroutine. The zero value is no deadline.
type IO struct{ wanted, set time.Time }

// Want sets the deadline that the next Apply applies. The zero time is no
// deadline.
func (d *IO) Want(at time.Time) { d.wanted = at }

// Wanted returns the deadline that Want has set.
func (d *IO) Wanted() time.Time { return d.wanted }

// Apply calls set with the wanted deadline if that is necessary.
func (d *IO) Apply(set func(time.Time) error) error {
	if early := d.wanted.Sub(d.set); 0 <= early && early <= slack {
		return nil
	}
	if err := set(d.wanted); err != nil {
		return err
	}
	d.set = d.wanted
	return nil
}
