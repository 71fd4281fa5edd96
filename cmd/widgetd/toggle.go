package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// toggle is a setting that is on or off, in any case. Its flag without a value turns
// it on.
type toggle bool

// String returns on or off.
func (t toggle) String() string {
	if t {
		return "on"
	}
	return "off"
}

// Decode implements [kong.MapperValue]. The value follows the flag as in --hsts=off or
// as in --hsts off. An argument that is neither on nor off is not the value of the flag.
func (t *toggle) Decode(ctx *kong.DecodeContext) error {
	next := ctx.Scan.Peek()
	text := fmt.Sprint(next.Value)
	value, known := parseToggle(text)
	switch {
	case next.Type == kong.FlagValueToken && !known:
		return fmt.Errorf("must be on or off, not %q", text)
	case known && next.IsValue():
		ctx.Scan.Pop()
		*t = value
	default:
		*t = true
	}
	return nil
}

// withToggle replaces an error about an unexpected argument by one about the toggle in front
// of it.
func withToggle(err error, parsed *kong.Context, args []string) error {
	for _, flag := range parsed.Flags() {
		i := slices.Index(args, "--"+flag.Name)
		_, isToggle := flag.Target.Interface().(toggle)
		if isToggle && 0 <= i && i < len(args)-1 && err.Error() == "unexpected argument "+args[i+1] {
			return fmt.Errorf("--%s: must be on or off, not %q", flag.Name, args[i+1])
		}
	}
	return err
}

func parseToggle(text string) (value toggle, known bool) {
	switch strings.ToLower(text) {
	case "on", "true", "yes", "1":
		return true, true
	case "off", "false", "no", "0":
		return false, true
	}
	return false, false
}
