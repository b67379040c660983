package agentic

import (
	"context"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

// A Stream gives events: each once, in order, over restarts of the daemon. While the daemon is away it waits, as long
// as it takes; its context, or Close, bounds that.
//
// One goroutine reads it, by Events or by Next, and the functions of OnLive, OnResume and OnBookmark run there, too.
// Any may call Close and Cursor.
type Stream struct {
	client  *Client
	program context.Context // the program's
	ctx     context.Context // of the RPCs: has the program's values and cancellation, and not its deadline
	cancel  context.CancelFunc
	unhook  []func() bool
	hooks   hooks
	rpc     grpc.ServerStreamingClient[agenticv1.StreamEventsResponse]
	end     error

	mutex    sync.Mutex // guards the follower
	follower *follower
}

type hooks struct {
	live             func(*agenticv1.LiveWords)
	resume, bookmark func(Cursor)
}

// A StreamOption says what a stream is about, or who is told of what is not an event.
type StreamOption func(*agenticv1.StreamEventsRequest, *hooks)

// After begins behind the cursor; behind the zero Cursor lies the oldest event that is kept. Without After and
// AfterRevision the stream begins with what happens from now on.
func After(cursor Cursor) StreamOption {
	return func(r *agenticv1.StreamEventsRequest, _ *hooks) {
		r.Epoch, r.AfterRevision = cursor.Epoch, &cursor.Revision
	}
}

// AfterRevision begins behind the revision, of whatever log there is. 0: with the oldest event that is kept.
func AfterRevision(revision int64) StreamOption {
	return func(r *agenticv1.StreamEventsRequest, _ *hooks) { r.Epoch, r.AfterRevision = "", &revision }
}

// OfCalls gives only events of these calls, at most 1,000, and ends the stream when all of them are closed. With
// no call at all it is as if it were not there: events of all calls, and a stream that does not end by itself.
func OfCalls(callIDs ...string) StreamOption {
	return func(r *agenticv1.StreamEventsRequest, _ *hooks) { r.CallIds = callIDs }
}

// OfTypes gives only events of these kinds, by the names of the fields of Event.payload, for example
// "transcript_final".
func OfTypes(names ...string) StreamOption {
	return func(r *agenticv1.StreamEventsRequest, _ *hooks) { r.Types = names }
}

// OnLive asks for words while they are spoken, too, and is given them between the events. They are for a screen: never
// stored, never sent again.
func OnLive(words func(*agenticv1.LiveWords)) StreamOption {
	return func(r *agenticv1.StreamEventsRequest, h *hooks) { r.IncludeLive, h.live = true, words }
}

// OnResume is told when a lost connection is back. The next event is the one after the cursor.
func OnResume(back func(Cursor)) StreamOption {
	return func(_ *agenticv1.StreamEventsRequest, h *hooks) { h.resume = back }
}

// OnBookmark is told when the cursor moved without an event, on a quiet stream every 10 s. Store it, lest your cursor
// grows older than what the daemon keeps.
func OnBookmark(moved func(Cursor)) StreamOption {
	return func(_ *agenticv1.StreamEventsRequest, h *hooks) { h.bookmark = moved }
}

// Follow gives all events of a call that PlaceCall has placed, from its call_queued to its call_closed, and ends then.
// Which call and from where is said by the answer: After, AfterRevision and OfCalls have no effect.
func (c *Client) Follow(ctx context.Context, placed *agenticv1.PlaceCallResponse, options ...StreamOption) *Stream {
	before := Cursor{Epoch: placed.GetEpoch(), Revision: placed.GetRevision() - 1}
	whole := []StreamOption{After(before), OfCalls(placed.GetCall().GetCallId())}
	return c.Events(ctx, slices.Concat(options, whole)...)
}

// Events follows the log: by default all events of all calls from now on. Only a stream that is OfCalls ends by itself.
//
// The stream's errors: ErrInvalidArgument, ErrCallNotFound, ErrCursorCompacted and ErrLogReplaced (ErrCursorInvalid),
// ErrUnauthenticated, ErrInternal, and ErrUnreachable where no daemon was ever reached. What mends by asking again is no
// error.
func (c *Client) Events(ctx context.Context, options ...StreamOption) *Stream {
	request := &agenticv1.StreamEventsRequest{}
	stream := &Stream{client: c, program: ctx}
	for _, option := range options {
		option(request, &stream.hooks)
	}
	stream.follower = newFollower(request, c.proven.Load())
	stream.ctx, stream.cancel = context.WithCancel(context.WithoutCancel(ctx))
	stream.unhook = []func() bool{context.AfterFunc(ctx, stream.cancel), context.AfterFunc(c.open, stream.cancel)}
	return stream
}

// Events iterates over the events that are still to come. An error is the last that it gives; when the stream is
// complete, or was closed, there is none. Leaving the loop closes the stream.
func (s *Stream) Events() iter.Seq2[*agenticv1.Event, error] {
	return func(yield func(*agenticv1.Event, error) bool) {
		defer s.Close()
		for {
			event, err := s.Next()
			if err == io.EOF {
				return
			}
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

// Next returns the next event, and waits for it. io.EOF: the stream is complete, or was closed. After an error it
// returns the same again.
func (s *Stream) Next() (*agenticv1.Event, error) {
	for s.end == nil {
		given, over := s.take()
		switch given := given.(type) {
		case *agenticv1.Event:
			return given, nil
		case *agenticv1.LiveWords:
			if s.hooks.live != nil {
				s.hooks.live(given)
			}
		case resumed:
			if s.hooks.resume != nil {
				s.hooks.resume(given.cursor)
			}
		case bookmarked:
			if s.hooks.bookmark != nil {
				s.hooks.bookmark(given.cursor)
			}
		case nil:
			if over == nil {
				over = s.read()
			}
			if over != nil {
				s.Close()
				s.end = over
			}
		}
	}
	return nil, s.end
}

// Cursor is the place behind the last event or bookmark that was given: store it when that event is done with. It is
// zero while it is not known to which log it belongs.
func (s *Stream) Cursor() (behind Cursor) {
	s.drive(func(f *follower) { behind = f.cursor })
	return behind
}

// Close leaves the stream, and hangs up its RPC. Nothing more is given; Cursor stays, to resume from.
func (s *Stream) Close() {
	s.drive((*follower).leave)
	for _, unhook := range s.unhook {
		unhook()
	}
	s.cancel()
}

// take is what has come, or why nothing more is given.
func (s *Stream) take() (given item, over error) {
	s.drive(func(f *follower) {
		switch {
		case f.done:
			over = io.EOF
		case s.client.open.Err() != nil:
			over = closed()
		case s.program.Err() != nil:
			over = fromContext(s.program)
		default:
			given = f.next()
		}
	})
	return given, over
}

// read waits for one frame more; or for the RPC's end, and for the time after it. The error ends the stream, unless
// that was left meanwhile: take says so.
func (s *Stream) read() (err error) {
	response, lost := s.receive()
	// A client that is closed hangs up, and that may come here first.
	if s.ctx.Err() != nil || s.client.open.Err() != nil {
		return nil
	}
	if lost == nil {
		s.client.proven.Store(true)
		s.drive(func(f *follower) { err = f.handle(response) })
		return err
	}
	s.rpc = nil
	var failure *Error
	if lost != io.EOF {
		failure = fromRPC(s.ctx, lost)
	}
	var delay time.Duration
	s.drive(func(f *follower) { delay, err = f.ended(failure) })
	if err == nil {
		s.wait(delay)
	}
	return err
}

func (s *Stream) receive() (*agenticv1.StreamEventsResponse, error) {
	if s.rpc == nil {
		var request *agenticv1.StreamEventsRequest
		var wait bool
		s.drive(func(f *follower) { request, wait = f.ask() })
		rpc, err := s.client.calls.StreamEvents(s.ctx, request, grpc.WaitForReady(wait))
		if err != nil {
			return nil, err
		}
		s.rpc = rpc
	}
	return s.rpc.Recv()
}

func (s *Stream) drive(do func(*follower)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	do(s.follower)
}

// wait waits somewhat longer than the delay: not all who lost the same daemon shall come back in the same moment.
func (s *Stream) wait(delay time.Duration) {
	timer := time.NewTimer(delay + time.Duration(rand.Int64N(int64(delay)/5+1)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// Kind is the name of the event's payload, as OfTypes takes it, for example "transcript_final". It is empty for one
// that this client does not know: skip it, and keep its revision.
func Kind(event *agenticv1.Event) string {
	return oneofName(event, "payload")
}

// oneofName is the name of the field that is set; empty: none that is known.
func oneofName(message proto.Message, oneof protoreflect.Name) string {
	reflected := message.ProtoReflect()
	if field := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName(oneof)); field != nil {
		return string(field.Name())
	}
	return ""
}
