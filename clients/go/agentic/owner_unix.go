//go:build unix

package agentic

import (
	"os"
	"syscall"
)

// isOwnDirectory says whether it is a directory, no link, and this user's.
func isOwnDirectory(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}
