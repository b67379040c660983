package agentic

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// An authority signs certificates, and keeps them as PEM files in a folder.
type authority struct {
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{folder: t.TempDir()}
	a.issue(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.folder, name) }

// issue makes name.pem and name.key. The first is the authority's own.
func (a *authority) issue(t *testing.T, name string, what *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	what.SerialNumber, what.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	what.NotBefore, what.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a.cert, a.key = what, key
	}
	made, err := x509.CreateCertificate(rand.Reader, what, a.cert, key.Public(), a.key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	must(t, os.WriteFile(a.file(name+".pem"), certPEM, 0o600))
	must(t, os.WriteFile(a.file(name+".key"), keyPEM, 0o600))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	must(t, err)
	return pair
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// onLoopback is a daemon on a free port, and its address.
func onLoopback(t *testing.T, options ...grpc.ServerOption) (*daemon, string) {
	t.Helper()
	d := newDaemon(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	d.serve(t, listener, options...)
	return d, listener.Addr().String()
}

// withTLS is a daemon whose certificate names 127.0.0.1, and that wants one of its clients if it has an authority for
// them.
func withTLS(t *testing.T, own, ofClients *authority) (*daemon, string) {
	t.Helper()
	pair := own.issue(t, "daemon", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if ofClients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(ofClients.parsed(t))
	}
	return onLoopback(t, grpc.Creds(credentials.NewTLS(config)))
}

func (a *authority) parsed(t *testing.T) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(a.file("ca.pem"))
	must(t, err)
	block, _ := pem.Decode(text)
	parsed, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	return parsed
}

func TestTheTokenIsShownWithEveryRequestAndStreamButOnAUnixSocket(t *testing.T) {
	overTCP, address := onLoopback(t)
	onSocket, client := started(t, WithToken("secret"))
	for _, row := range []struct {
		d      *daemon
		client *Client
		want   []string
	}{
		{overTCP, connected(t, address, WithToken("secret")), []string{"Bearer secret"}},
		{onSocket, client, nil},
	} {
		row.d.script(frames(complete, opened(0)))
		if _, err := row.client.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := read(row.client.Events(t.Context(), OfCalls(callID))); err != nil {
			t.Fatal(err)
		}
		for _, came := range row.d.requests {
			sameAll(t, "authorization", came.token, row.want)
		}
	}
}

func TestADaemonWithTLSIsCheckedByTheCAThatIsGiven(t *testing.T) {
	ours, another := newAuthority(t), newAuthority(t)
	d, address := withTLS(t, ours, nil)
	client := connected(t, "tls:"+address, WithCA(ours.file("ca.pem")), WithToken("secret"))
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	sameAll(t, "authorization", d.requests[0].token, []string{"Bearer secret"})

	_, port, _ := strings.Cut(address, ":")
	for name, client := range map[string]*Client{
		"another CA":         connected(t, "tls:"+address, WithCA(another.file("ca.pem"))),
		"the system's roots": connected(t, "tls:"+address),
		"another name":       connected(t, "tls:localhost:"+port, WithCA(ours.file("ca.pem"))),
		"no TLS":             connected(t, address),
	} {
		if _, err := client.Status(t.Context()); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "requests that were let through", len(d.requests), 1)
}

func TestAClientMayHaveACertificate(t *testing.T) {
	ours, ofClients, another := newAuthority(t), newAuthority(t), newAuthority(t)
	_, address := withTLS(t, ours, ofClients)
	usage := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	ofClients.issue(t, "client", &x509.Certificate{ExtKeyUsage: usage})
	another.issue(t, "client", &x509.Certificate{ExtKeyUsage: usage})
	right := WithCertificate(ofClients.file("client.pem"), ofClients.file("client.key"))
	wrong := WithCertificate(another.file("client.pem"), another.file("client.key"))
	ca := WithCA(ours.file("ca.pem"))
	_, err := connected(t, "tls:"+address, ca, right).Status(t.Context())
	same(t, "the right one", err, nil)
	for name, client := range map[string]*Client{
		"none": connected(t, "tls:"+address, ca), "another authority's": connected(t, "tls:"+address, ca, wrong),
	} {
		if _, err := client.Status(t.Context()); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheFilesOfTheEnvironmentServeWhereNoneAreGiven(t *testing.T) {
	env := environment(map[string]string{
		"AGENTCTL_CA_FILE": "ca", "AGENTCTL_CERT_FILE": "cert", "AGENTCTL_KEY_FILE": "key",
	})
	same(t, "none given", tlsFiles{}.orOf(env), tlsFiles{"ca", "cert", "key"})
	same(t, "all given", tlsFiles{"a", "b", "c"}.orOf(env), tlsFiles{"a", "b", "c"})
	same(t, "a pair stays a pair", tlsFiles{"", "b", ""}.orOf(env), tlsFiles{"ca", "b", ""})
	plain, err := secure(target{address: "127.0.0.1:1"}, tlsFiles{}, env)
	same(t, "error", err, nil)
	same(t, "without TLS they are not looked at", plain.Info().SecurityProtocol, "insecure")
}

func TestFilesThatAreOfNoUseAreRefusedAtOnce(t *testing.T) {
	a := newAuthority(t)
	garbage := put(t, a.file("garbage"), "nothing")
	for name, row := range map[string]struct {
		address string
		option  Option
	}{
		"a CA that is missing":      {"tls:localhost:1", WithCA(a.file("missing"))},
		"a CA that is none":         {"tls:localhost:1", WithCA(garbage)},
		"a certificate without key": {"tls:localhost:1", WithCertificate(a.file("ca.pem"), "")},
		"a key that is none":        {"tls:localhost:1", WithCertificate(a.file("ca.pem"), garbage)},
		"a CA on plain loopback":    {"127.0.0.1:1", WithCA(a.file("ca.pem"))},
		"a certificate on a socket": {"unix:/run/a.sock", WithCertificate(a.file("ca.pem"), a.file("ca.key"))},
		"a CA that is a folder":     {"tls:localhost:1", WithCA(a.folder)},
	} {
		if _, err := Connect(row.address, row.option); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
