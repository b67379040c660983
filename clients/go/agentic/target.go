package agentic

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	addressVariable = "AGENTCTL_ADDR"
	tokenVariable   = "AGENTCTL_TOKEN_FILE"
	socketName      = "agenticd.sock"
	tokenName       = "token"
	systemRuntime   = "/run/agenticd"
)

// A target is where a daemon is, and the token to show there. Nothing here connects.
type target struct {
	address string // in gRPC's form: unix:/path, or host:port
	token   string // empty on a Unix socket, where the file's permissions decide
	tls     bool
}

// find is the daemon at the address, else at $AGENTCTL_ADDR, else where daemons listen: Connect says how.
func find(address, token string, env func(string) string) (target, error) {
	if address == "" {
		address = env(addressVariable)
	}
	if address == "" {
		return target{address: "unix:" + nearestSocket(env)}, nil
	}
	if path, isSocket := socketPath(address); isSocket {
		if !filepath.IsAbs(path) {
			return target{}, refused(nil, "the path of a Unix socket must be absolute: unix:/run/agenticd/%s, not %s",
				socketName, address)
		}
		return target{address: "unix:" + filepath.Clean(path)}, nil
	}
	address, asked := strings.CutPrefix(address, "tls:")
	host, ok := hostOf(address)
	if !ok {
		return target{}, refused(nil, "%s is neither unix:/path nor host:port, such as 127.0.0.1:50051 or, with TLS on"+
			" loopback, too, tls:127.0.0.1:50051", address)
	}
	found := target{address: address, token: token, tls: asked || !isLoopback(host)}
	var err error
	if token == "" {
		found.token, err = findToken(env, !found.tls)
	}
	return found, err
}

func socketPath(address string) (path string, ok bool) {
	if path, ok = strings.CutPrefix(address, "unix:"); ok {
		if rest, found := strings.CutPrefix(path, "//"); found {
			path = "/" + strings.TrimLeft(rest, "/") // unix:///path is the same to gRPC
		}
		return path, true
	}
	return address, strings.HasPrefix(address, "/")
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?$`)

// hostOf is the host of host:port, without the brackets of IPv6.
func hostOf(address string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", false
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", false
	}
	if _, err = netip.ParseAddr(host); err == nil {
		return host, true
	}
	return host, hostForm.MatchString(host) && strings.Trim(host, "0123456789.") != ""
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func nearestSocket(env func(string) string) string {
	var last string
	for _, directory := range runtimeDirectories(env) {
		last = filepath.Join(directory, socketName)
		if _, err := os.Stat(last); err == nil {
			break
		}
	}
	return last
}

// runtimeDirectories are where daemons of this machine keep their sockets and tokens, the nearest first.
func runtimeDirectories(env func(string) string) []string {
	var found []string
	if runtime := directory(env, "RUNTIME_DIRECTORY"); runtime != "" {
		found = append(found, runtime)
	}
	if user := directory(env, "XDG_RUNTIME_DIR"); user != "" {
		found = append(found, filepath.Join(user, "agenticd"))
	} else {
		temporary := directory(env, "TMPDIR")
		if temporary == "" {
			temporary = "/tmp"
		}
		temporary = filepath.Join(temporary, "agenticd-"+strconv.Itoa(os.Getuid()))
		// Anybody can make that directory first, to stand in for the daemon.
		if isOwnDirectory(temporary) {
			found = append(found, temporary)
		}
	}
	return append(found, systemRuntime)
}

// directory is what a variable names: the first of several (systemd), and none that is relative (XDG).
func directory(env func(string) string, name string) string {
	first, _, _ := strings.Cut(env(name), ":")
	if !strings.HasPrefix(first, "/") {
		return ""
	}
	return first
}

// findToken reads the token's file. The files in runtime directories are for plain loopback, and are not shown elsewhere.
func findToken(env func(string) string, plain bool) (string, error) {
	if named := env(tokenVariable); named != "" {
		token, err := readToken(named)
		if err != nil {
			return "", refused(err, "$%s: %v", tokenVariable, err)
		}
		return token, nil
	}
	if plain {
		for _, directory := range runtimeDirectories(env) {
			if token, err := readToken(filepath.Join(directory, tokenName)); err == nil {
				return token, nil
			}
		}
	}
	return "", nil // the daemon asks for it, if it needs one
}

func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}
