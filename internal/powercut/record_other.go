//go:build !(linux && (amd64 || arm64))

package powercut

import "context"

// Record returns [ErrNotPermitted]: it needs Linux, on amd64 or arm64.
func Record(context.Context, string, ...string) (*Trace, error) { return nil, ErrNotPermitted }
