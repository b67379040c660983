package agentic

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

const callID = "01KAPBQ7DV0000000000000001"

type streamServer = grpc.ServerStreamingServer[agenticv1.StreamEventsResponse]

// A daemon is one of the tests' own. It may be stopped and started again.
type daemon struct {
	agenticv1.UnimplementedCallServiceServer
	agenticv1.UnimplementedNodeServiceServer

	address string // of its Unix socket
	server  *grpc.Server
	silent  chan struct{} // closed: it answers

	mutex    sync.Mutex
	moved    *sync.Cond // a request has come
	requests []seen
	faults   []error // of the next requests, in this order
	calls    []string
	streams  []func(*agenticv1.StreamEventsRequest, streamServer) error // the next streams; behind them they are quiet
}

// A seen is a request as it came.
type seen struct {
	request     any
	token       []string
	hasDeadline bool
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	folder, err := os.MkdirTemp("", "agentic") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	d := &daemon{address: "unix:" + filepath.Join(folder, "d.sock"), silent: make(chan struct{})}
	close(d.silent)
	d.moved = sync.NewCond(&d.mutex)
	return d
}

// started is a daemon on its Unix socket, and a client of it.
func started(t *testing.T, options ...Option) (*daemon, *Client) {
	t.Helper()
	d := newDaemon(t)
	d.start(t)
	return d, connected(t, d.address, options...)
}

func connected(t *testing.T, address string, options ...Option) *Client {
	t.Helper()
	client, err := Connect(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func (d *daemon) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("unix", d.address[len("unix:"):])
	if err != nil {
		t.Fatal(err)
	}
	d.serve(t, listener)
}

func (d *daemon) serve(t *testing.T, listener net.Listener, options ...grpc.ServerOption) {
	server := grpc.NewServer(options...)
	agenticv1.RegisterCallServiceServer(server, d)
	agenticv1.RegisterNodeServiceServer(server, d)
	d.server = server
	go server.Serve(listener)
	t.Cleanup(server.Stop)
}

// script says what the next streams do.
func (d *daemon) script(streams ...func(*agenticv1.StreamEventsRequest, streamServer) error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.streams = append(d.streams, streams...)
}

// came are the requests of a type.
func came[R any](d *daemon) (requests []R) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for _, one := range d.requests {
		if request, ok := one.request.(R); ok {
			requests = append(requests, request)
		}
	}
	return requests
}

// hasHad waits until so many requests have come.
func (d *daemon) hasHad(count int) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	for len(d.requests) < count {
		d.moved.Wait()
	}
}

func (d *daemon) enter(ctx context.Context, request any) error {
	d.mutex.Lock()
	_, hasDeadline := ctx.Deadline()
	d.requests = append(d.requests, seen{request, metadata.ValueFromIncomingContext(ctx, "authorization"), hasDeadline})
	d.moved.Broadcast()
	silent := d.silent
	d.mutex.Unlock()
	select {
	case <-silent:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.faults) == 0 {
		return nil
	}
	fault := d.faults[0]
	d.faults = d.faults[1:]
	return fault
}

func (d *daemon) PlaceCall(
	ctx context.Context, request *agenticv1.PlaceCallRequest,
) (*agenticv1.PlaceCallResponse, error) {
	if err := d.enter(ctx, request); err != nil {
		return nil, err
	}
	call := &agenticv1.Call{CallId: callID, ToAddress: request.GetToAddress()}
	return &agenticv1.PlaceCallResponse{Call: call, Revision: 5, Epoch: epoch}, nil
}

func (d *daemon) HangUp(ctx context.Context, request *agenticv1.HangUpRequest) (*agenticv1.HangUpResponse, error) {
	call := &agenticv1.Call{CallId: request.GetCallId(), State: agenticv1.CallState_CALL_STATE_ENDING}
	return &agenticv1.HangUpResponse{Call: call}, d.enter(ctx, request)
}

func (d *daemon) GetCall(ctx context.Context, request *agenticv1.GetCallRequest) (*agenticv1.GetCallResponse, error) {
	return &agenticv1.GetCallResponse{Call: &agenticv1.Call{CallId: request.GetCallId()}}, d.enter(ctx, request)
}

func (d *daemon) GetTranscript(
	ctx context.Context, request *agenticv1.GetTranscriptRequest,
) (*agenticv1.GetTranscriptResponse, error) {
	said := []*agenticv1.TranscriptFinal{{Text: "Hello."}}
	return &agenticv1.GetTranscriptResponse{Utterances: said}, d.enter(ctx, request)
}

// ListCalls has two calls on a page, whatever it is asked.
func (d *daemon) ListCalls(
	ctx context.Context, request *agenticv1.ListCallsRequest,
) (*agenticv1.ListCallsResponse, error) {
	if err := d.enter(ctx, request); err != nil {
		return nil, err
	}
	first := len(request.GetPageToken()) // a letter for each call that was shown
	page := &agenticv1.ListCallsResponse{}
	for at := first; at < min(first+2, len(d.calls)); at++ {
		page.Calls = append(page.Calls, &agenticv1.Call{CallId: d.calls[at]})
		page.NextPageToken = request.GetPageToken() + "xx"
	}
	if first+2 >= len(d.calls) {
		page.NextPageToken = ""
	}
	return page, nil
}

func (d *daemon) GetStatus(
	ctx context.Context, request *agenticv1.GetStatusRequest,
) (*agenticv1.GetStatusResponse, error) {
	return &agenticv1.GetStatusResponse{Version: "0.9.0", Epoch: epoch}, d.enter(ctx, request)
}

func (d *daemon) Drain(ctx context.Context, request *agenticv1.DrainRequest) (*agenticv1.DrainResponse, error) {
	return &agenticv1.DrainResponse{LiveCalls: 3}, d.enter(ctx, request)
}

func (d *daemon) StreamEvents(request *agenticv1.StreamEventsRequest, stream streamServer) error {
	if err := d.enter(stream.Context(), request); err != nil {
		return err
	}
	d.mutex.Lock()
	play := quiet
	if len(d.streams) > 0 {
		play, d.streams = d.streams[0], d.streams[1:]
	}
	d.mutex.Unlock()
	return play(request, stream)
}

// quiet is a stream on which nothing happens.
func quiet(_ *agenticv1.StreamEventsRequest, stream streamServer) error {
	return send(stream, nil, opened(5))
}

// frames are sent, and then the stream ends so; with nil it stays open until it is left.
func frames(
	end error, frames ...*agenticv1.StreamEventsResponse,
) func(*agenticv1.StreamEventsRequest, streamServer) error {
	return func(_ *agenticv1.StreamEventsRequest, stream streamServer) error { return send(stream, end, frames...) }
}

func send(stream streamServer, end error, frames ...*agenticv1.StreamEventsResponse) error {
	for _, frame := range frames {
		if err := stream.Send(frame); err != nil {
			return err
		}
	}
	if end == nil {
		<-stream.Context().Done()
	}
	if end == complete {
		return nil
	}
	return end
}

// complete ends a stream with OK.
var complete = errors.New("complete")

// fault is an error as a daemon sends it.
func fault(code codes.Code, reason string, details ...protoadapt.MessageV1) error {
	return faultOf(code, &errdetails.ErrorInfo{Reason: reason, Domain: domain}, details...)
}

func faultOf(code codes.Code, info *errdetails.ErrorInfo, details ...protoadapt.MessageV1) error {
	made, err := status.New(code, "the daemon says no").WithDetails(append(details, info)...)
	if err != nil {
		panic(err)
	}
	return made.Err()
}
