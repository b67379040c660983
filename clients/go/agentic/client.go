package agentic

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

// DefaultTimeout is how long an answer may take, if nothing else is said.
const DefaultTimeout = 10 * time.Second

const largestPage = 500

// A Client is a connection to one daemon. It may be used by several goroutines. Close it when it is done with.
//
// A request whose context has no deadline gets the client's timeout. Every request is safe to repeat, and a lost one
// is: a daemon that has answered this client before, and is away, is waited for until the deadline; where none has
// answered yet, the request fails at once, for the address is most likely wrong.
type Client struct {
	connection *grpc.ClientConn
	calls      agenticv1.CallServiceClient
	node       agenticv1.NodeServiceClient
	timeout    time.Duration
	proven     atomic.Bool // a daemon has answered here
	open       context.Context
	close      context.CancelFunc
}

// An Option is a setting of Connect.
type Option func(*settings)

type settings struct {
	token   string
	timeout time.Duration
	files   tlsFiles
	dial    []grpc.DialOption
}

// WithToken gives the daemon's token, for a port. On a Unix socket none is needed, and none is sent.
func WithToken(token string) Option { return func(s *settings) { s.token = token } }

// WithCA gives a PEM file of authorities, one of which must have signed the daemon's certificate. Without it: the file
// $AGENTCTL_CA_FILE, else the system's roots. It is for TLS only.
func WithCA(file string) Option { return func(s *settings) { s.files.ca = file } }

// WithCertificate gives PEM files with the client's own certificate and its key. Without it: the files
// $AGENTCTL_CERT_FILE and $AGENTCTL_KEY_FILE, else none. It is for TLS only.
func WithCertificate(certificate, key string) Option {
	return func(s *settings) { s.files.cert, s.files.key = certificate, key }
}

// WithTimeout says how long an answer may take when the request's context has no deadline. Default: DefaultTimeout.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithDialOptions gives further options to the gRPC connection, such as interceptors and stats handlers. They come
// after the client's own, and win.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// Connect returns a client of the daemon at the address, and of the one that is found if the address is empty. It
// connects with the first request.
//
// An address is "unix:/path", where the file's permissions decide; a port on loopback, "127.0.0.1:50051", without TLS
// and with the daemon's token; or "host:port" on another machine, with TLS, and a token or a certificate. With
// "tls:host:port" there is TLS on loopback, too.
//
// An empty address is $AGENTCTL_ADDR, else the first agenticd.sock that exists in $RUNTIME_DIRECTORY,
// $XDG_RUNTIME_DIR/agenticd (without that variable: agenticd-<uid> in the temporary directory, if it is the user's own)
// and /run/agenticd. Without WithToken the token is what is in the file $AGENTCTL_TOKEN_FILE, else, on loopback without
// TLS, in the first file "token" that can be read in those directories.
//
// The error is of the kind ErrInvalidArgument.
func Connect(address string, options ...Option) (*Client, error) {
	chosen := settings{timeout: DefaultTimeout}
	for _, option := range options {
		option(&chosen)
	}
	where, err := find(address, chosen.token, os.Getenv)
	if err != nil {
		return nil, err
	}
	secured, err := secure(where, chosen.files, os.Getenv)
	if err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(where.address, append(dialOptions(where, secured), chosen.dial...)...)
	if err != nil {
		return nil, refused(err, "%s: %v", where.address, err)
	}
	return newClient(connection, chosen.timeout), nil
}

func newClient(connection *grpc.ClientConn, timeout time.Duration) *Client {
	client := &Client{
		connection: connection,
		calls:      agenticv1.NewCallServiceClient(connection),
		node:       agenticv1.NewNodeServiceClient(connection),
		timeout:    timeout,
	}
	client.open, client.close = context.WithCancel(context.Background())
	return client
}

// Close hangs up on the daemon. What is open ends with ErrClosed.
func (c *Client) Close() error {
	c.close()
	return c.connection.Close()
}

// PlaceCall has an agent call somebody. It answers when the call is durably queued; then Follow it.
//
// A request without a request_id is sent with one, a random UUID, so that it can be repeated without dialling twice.
// Where the outcome is not known (ErrDeadlineExceeded, ErrUnreachable), Error.RequestID has it: the same request with
// it, within 24 hours, is the same call.
//
// Errors: ErrInvalidArgument (Error.Violations names the fields), ErrRequestIDReused, ErrTooManyCalls, ErrDraining,
// ErrStoreDown.
func (c *Client) PlaceCall(
	ctx context.Context, request *agenticv1.PlaceCallRequest,
) (*agenticv1.PlaceCallResponse, error) {
	if request.GetRequestId() == "" {
		request = proto.CloneOf(request)
		request.RequestId = randomUUID()
	}
	answer, err := ask(ctx, c, c.calls.PlaceCall, request)
	var failure *Error
	if errors.As(err, &failure) {
		failure.RequestID = request.GetRequestId()
	}
	return answer, err
}

// HangUp ends a call, whatever its state. A call that has ended is shown as it ended. The reason, at most 256
// characters, is for the record, and may be empty.
//
// Errors: ErrCallNotFound, ErrStoreDown.
func (c *Client) HangUp(ctx context.Context, callID, reason string) (*agenticv1.HangUpResponse, error) {
	return ask(ctx, c, c.calls.HangUp, &agenticv1.HangUpRequest{CallId: callID, Reason: reason})
}

// GetCall shows a call. Errors: ErrCallNotFound, ErrStoreDown.
func (c *Client) GetCall(ctx context.Context, callID string) (*agenticv1.GetCallResponse, error) {
	return ask(ctx, c, c.calls.GetCall, &agenticv1.GetCallRequest{CallId: callID})
}

// ListCalls returns a page of calls, newest first; a nil request is the first 50 of all. AllCalls reads all pages.
//
// Errors: ErrInvalidArgument, ErrStoreDown.
func (c *Client) ListCalls(
	ctx context.Context, request *agenticv1.ListCallsRequest,
) (*agenticv1.ListCallsResponse, error) {
	return ask(ctx, c, c.calls.ListCalls, request)
}

// AllCalls iterates over all calls that the request describes, newest first, page by page; a nil request is all calls.
// An error is the last that it gives.
func (c *Client) AllCalls(
	ctx context.Context, request *agenticv1.ListCallsRequest,
) iter.Seq2[*agenticv1.Call, error] {
	return func(yield func(*agenticv1.Call, error) bool) {
		asked := &agenticv1.ListCallsRequest{PageSize: largestPage}
		proto.Merge(asked, request)
		for {
			page, err := c.ListCalls(ctx, asked)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, call := range page.GetCalls() {
				if !yield(call, nil) {
					return
				}
			}
			asked.PageToken = page.GetNextPageToken()
			if asked.PageToken == "" {
				return
			}
		}
	}
}

// Transcript returns what was said in a call so far, in the order of the conversation.
//
// Errors: ErrCallNotFound, ErrStoreDown.
func (c *Client) Transcript(ctx context.Context, callID string) (*agenticv1.GetTranscriptResponse, error) {
	return ask(ctx, c, c.calls.GetTranscript, &agenticv1.GetTranscriptRequest{CallId: callID})
}

// Status shows what the daemon is and does.
func (c *Client) Status(ctx context.Context) (*agenticv1.GetStatusResponse, error) {
	return ask(ctx, c, c.node.GetStatus, &agenticv1.GetStatusRequest{})
}

// Drain lets the daemon take no new calls until it is started again; those that are live go on to their ends.
func (c *Client) Drain(ctx context.Context) (*agenticv1.DrainResponse, error) {
	return ask(ctx, c, c.node.Drain, &agenticv1.DrainRequest{})
}

// ask sends a request, and makes of gRPC's error one of ours.
func ask[Q, A any](
	ctx context.Context, c *Client, method func(context.Context, Q, ...grpc.CallOption) (A, error), request Q,
) (A, error) {
	var none A
	if c.open.Err() != nil {
		return none, closed()
	}
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	answer, err := method(ctx, request, grpc.WaitForReady(c.proven.Load()))
	if err == nil {
		c.proven.Store(true)
		return answer, nil
	}
	failure := fromRPC(ctx, err)
	if failure.Reason != "" {
		c.proven.Store(true)
	}
	hungUp := failure.Reason == "" && (failure.Code == codes.Canceled || failure.Code == codes.Unavailable)
	if hungUp && c.open.Err() != nil {
		failure = closed()
	}
	return none, failure
}

func randomUUID() string {
	var bytes [16]byte
	rand.Read(bytes[:]) // never fails
	bytes[6] = bytes[6]&0x0f | 0x40
	bytes[8] = bytes[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:])
}
