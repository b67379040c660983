package agentic

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Only what was surely not done, or is safe to repeat: every RPC is, PlaceCall by its request_id. Not StreamEvents: the
// follower itself asks again, and heeds the daemon's RetryInfo.
const serviceConfig = `{"methodConfig": [{
  "name": [{"service": "agentic.v1.CallService"}, {"service": "agentic.v1.NodeService"}],
  "retryPolicy": {
    "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"]
  }
}, {
  "name": [{"service": "agentic.v1.CallService", "method": "StreamEvents"}]
}]}`

const (
	largestMessage = 4 << 20
	// The receiver's window decides how far a daemon runs ahead of a reader; gRPC's own probe lets it grow to
	// megabytes.
	window = 64 << 10
)

var keepaliveParameters = keepalive.ClientParameters{
	// Not below the daemon's minimum of 10 s, or it ends the connection: ENHANCE_YOUR_CALM, "too_many_pings".
	Time:                30 * time.Second,
	Timeout:             10 * time.Second,
	PermitWithoutStream: true,
}

var reconnect = grpc.ConnectParams{
	Backoff: backoff.Config{
		BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second,
	},
	MinConnectTimeout: 5 * time.Second,
}

func dialOptions(where target, secured credentials.TransportCredentials) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secured),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(), // of the name's TXT records
		grpc.WithKeepaliveParams(keepaliveParameters),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithConnectParams(reconnect),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestMessage)),
	}
	if where.token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(where.token)))
	}
	return options
}

// bearer is the daemon's token, which goes with each RPC. On loopback it goes without TLS.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

// secure is how the connection is secured: not at all on a Unix socket and on plain loopback, else by TLS.
func secure(where target, files tlsFiles, env func(string) string) (credentials.TransportCredentials, error) {
	if !where.tls {
		if files != (tlsFiles{}) {
			return nil, refused(nil, "%s is reached without TLS, where certificates are of no use; TLS on loopback is"+
				" asked for by tls:host:port", where.address)
		}
		return insecure.NewCredentials(), nil
	}
	files = files.orOf(env)
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.ca != "" {
		text, err := os.ReadFile(files.ca)
		if err != nil {
			return nil, refused(err, "the CA file: %v", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, refused(nil, "the CA file %s has no certificate in PEM", files.ca)
		}
	}
	if (files.cert == "") != (files.key == "") {
		return nil, refused(nil, "a certificate and its key belong together, and there is only %s", files.cert+files.key)
	}
	if files.cert != "" {
		pair, err := tls.LoadX509KeyPair(files.cert, files.key)
		if err != nil {
			return nil, refused(err, "the client's certificate and key: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// tlsFiles are PEM files. Empty: the system's roots, and no certificate of the client's.
type tlsFiles struct{ ca, cert, key string }

// orOf are the files, and those of the environment where none are given.
func (files tlsFiles) orOf(env func(string) string) tlsFiles {
	if files.ca == "" {
		files.ca = env("AGENTCTL_CA_FILE")
	}
	if files.cert == "" && files.key == "" {
		files.cert, files.key = env("AGENTCTL_CERT_FILE"), env("AGENTCTL_KEY_FILE")
	}
	return files
}
