package agentic

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// environment is one of its own: nothing of the machine that the tests run on is seen.
func environment(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// put writes a file, and the folders that lead to it.
func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatAnAddressSays(t *testing.T) {
	nowhere := environment(map[string]string{"XDG_RUNTIME_DIR": t.TempDir()})
	for address, want := range map[string]target{
		"unix:/run/a.sock":           {address: "unix:/run/a.sock"},
		"unix:///run/a.sock":         {address: "unix:/run/a.sock"},
		"/run/a.sock":                {address: "unix:/run/a.sock"},
		"127.0.0.1:50051":            {address: "127.0.0.1:50051", token: "secret"},
		"127.1.2.3:1":                {address: "127.1.2.3:1", token: "secret"},
		"localhost:65535":            {address: "localhost:65535", token: "secret"},
		"[::1]:50051":                {address: "[::1]:50051", token: "secret"},
		"tls:127.0.0.1:50051":        {address: "127.0.0.1:50051", token: "secret", tls: true},
		"tls:localhost:50051":        {address: "localhost:50051", token: "secret", tls: true},
		"voice.example.com:443":      {address: "voice.example.com:443", token: "secret", tls: true},
		"tls:voice.example.com:443":  {address: "voice.example.com:443", token: "secret", tls: true},
		"192.0.2.7:50051":            {address: "192.0.2.7:50051", token: "secret", tls: true},
		"[2001:db8::7]:50051":        {address: "[2001:db8::7]:50051", token: "secret", tls: true},
		"localhost.example.com:5005": {address: "localhost.example.com:5005", token: "secret", tls: true},
	} {
		got, err := find(address, "secret", nowhere)
		same(t, address, err, nil)
		same(t, address, got, want)
	}
}

func TestAddressesThatCannotBeADaemons(t *testing.T) {
	for _, address := range []string{
		"unix:a.sock", "unix:", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http",
		":50051", "http://127.0.0.1:50051", "https://voice.example.com", "dns:voice.example.com:443", "::1:50051",
		"tls:", "tls:unix:/run/a.sock", "tls:/run/a.sock", "voice.example.com", "a b:1", "user@host:1", "host/path:1",
		"256.1.1.1:1", "10.1:1", "-host:1",
	} {
		got, err := find(address, "secret", environment(nil))
		if !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: %v, %v", address, got, err)
		}
		if _, err := Connect(address); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("Connect(%q): %v", address, err)
		}
	}
}

func TestTheAddressOfTheEnvironmentServesWhereNoneIsGiven(t *testing.T) {
	env := environment(map[string]string{"AGENTCTL_ADDR": "unix:/run/other.sock"})
	found, _ := find("", "", env)
	same(t, "not given", found.address, "unix:/run/other.sock")
	found, _ = find("unix:/run/mine.sock", "", env)
	same(t, "given", found.address, "unix:/run/mine.sock")
}

func TestTheNearestSocketThatExistsIsTaken(t *testing.T) {
	root := t.TempDir()
	env := environment(map[string]string{
		"RUNTIME_DIRECTORY": filepath.Join(root, "unit") + ":" + filepath.Join(root, "second"),
		"XDG_RUNTIME_DIR":   filepath.Join(root, "user"),
	})
	user := put(t, filepath.Join(root, "user", "agenticd", socketName), "")
	found, _ := find("", "", env)
	same(t, "the user's alone", found, target{address: "unix:" + user})
	unit := put(t, filepath.Join(root, "unit", socketName), "")
	found, _ = find("", "", env)
	same(t, "the unit's, too", found, target{address: "unix:" + unit})
}

func TestATemporarySocketIsTakenOnlyFromADirectoryOfOnesOwn(t *testing.T) {
	root := t.TempDir()
	env := environment(map[string]string{"TMPDIR": root, "RUNTIME_DIRECTORY": "relative"})
	own := filepath.Join(root, "agenticd-"+strconv.Itoa(os.Getuid()))
	socket := put(t, filepath.Join(own, socketName), "")
	found, _ := find("", "", env)
	same(t, "own", found.address, "unix:"+socket)
	elsewhere := filepath.Join(root, "elsewhere")
	if err := errors.Join(os.Rename(own, elsewhere), os.Symlink(elsewhere, own)); err != nil {
		t.Fatal(err)
	}
	same(t, "a link, as others could make it", isOwnDirectory(own), false)
}

func TestTheTokenIsLookedForWhereDaemonsKeepTheirs(t *testing.T) {
	root := t.TempDir()
	variables := map[string]string{"XDG_RUNTIME_DIR": root}
	env := environment(variables)
	token := func(address, given string) string {
		t.Helper()
		found, err := find(address, given, env)
		same(t, "error", err, nil)
		return found.token
	}
	same(t, "none anywhere", token("127.0.0.1:50051", ""), "")
	put(t, filepath.Join(root, "agenticd", tokenName), " beside the socket\n")
	same(t, "beside the socket", token("127.0.0.1:50051", ""), "beside the socket")
	same(t, "not shown over TLS, which may lead anywhere", token("tls:localhost:50051", ""), "")
	same(t, "not shown to another machine", token("voice.example.com:443", ""), "")
	variables["AGENTCTL_TOKEN_FILE"] = put(t, filepath.Join(root, "mine"), "of the variable\n")
	same(t, "of the variable", token("127.0.0.1:50051", ""), "of the variable")
	same(t, "of the variable, with TLS", token("tls:localhost:50051", ""), "of the variable")
	same(t, "of the variable, for another machine", token("voice.example.com:443", ""), "of the variable")
	same(t, "given", token("127.0.0.1:50051", "given"), "given")
	same(t, "on a Unix socket", token("unix:/run/a.sock", "given"), "")
	variables["AGENTCTL_TOKEN_FILE"] = filepath.Join(root, "missing")
	_, err := find("127.0.0.1:50051", "", env)
	if !errors.Is(err, ErrInvalidArgument) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
}

func TestACursorIsTextAndBack(t *testing.T) {
	for _, cursor := range []Cursor{{epoch, 1042}, {"e", 0}, {"e", 1<<63 - 1}} {
		got, err := ParseCursor(" " + cursor.String() + "\n")
		same(t, cursor.String(), err, nil)
		same(t, cursor.String(), got, cursor)
	}
	same(t, "zero", Cursor{}.String(), "")
	for _, text := range []string{
		"", "1042", ":1", "e:", "e:-1", "e:01", "e:1:2", "e f:1", "e:9223372036854775808", "e:1x",
	} {
		if got, err := ParseCursor(text); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
