//go:build !unix

package agentic

// isOwnDirectory is no: without Unix's owners nobody can tell who made a directory for all.
func isOwnDirectory(string) bool { return false }
