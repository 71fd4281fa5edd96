//go:build !unix

package connections

// openSocket does nothing: the connection waits in Read and Write.
func (*conn) openSocket() {}
