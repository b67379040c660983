package agentic

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// What a follower gives: an *agenticv1.Event, *agenticv1.LiveWords, a resumed or a bookmarked.
type item any

// A lost connection is back; the next event is the one after the cursor.
type resumed struct{ cursor Cursor }

// Everything that matches, up to the cursor, was given.
type bookmarked struct{ cursor Cursor }

// A follower is one reader's place in the log: what to ask for next, what to give, when to come back. No gRPC call, no
// clock and no randomness: a Stream drives it. The rules are those of docs/resuming.md.
//
// Drive it so: while next gives items, hand them on; else read a frame of the RPC that ask describes, and give it to
// handle; when the RPC has ended, ask ended what to do. Each event is given once, in the order of revisions, whatever
// is lost, cut or sent again in between.
type follower struct {
	request   *agenticv1.StreamEventsRequest
	proven    bool
	opened    bool
	epoch     string
	received  int64 // as far as frames go, events and bookmarks
	lastEvent int64
	cursor    Cursor
	items     []item
	failures  int
	done      bool // nothing will come any more
}

// newFollower begins with the request. proven: a daemon has answered at this address, so that one which is away is
// waited for from the start.
func newFollower(request *agenticv1.StreamEventsRequest, proven bool) *follower {
	f := &follower{request: request, proven: proven, epoch: request.GetEpoch()}
	f.received, f.lastEvent = request.GetAfterRevision(), request.GetAfterRevision()
	if f.epoch != "" {
		f.cursor = Cursor{f.epoch, f.received}
	}
	return f
}

// ask is what to ask the daemon for, and whether to wait for one that cannot be reached.
func (f *follower) ask() (request *agenticv1.StreamEventsRequest, wait bool) {
	if !f.opened {
		return f.request, f.proven
	}
	request = proto.CloneOf(f.request)
	request.Epoch, request.AfterRevision = f.epoch, proto.Int64(f.received)
	return request, true
}

// handle takes a frame. The error: it is another log's, or the contract is broken.
func (f *follower) handle(response *agenticv1.StreamEventsResponse) error {
	if opened := response.GetOpened(); opened != nil {
		return f.open(opened)
	}
	if !f.opened {
		f.done = true
		return &Error{
			Code: codes.Internal, Message: fmt.Sprintf("the daemon began a stream with %q", oneofName(response, "frame")),
			kind: ErrInternal,
		}
	}
	switch frame := response.GetFrame().(type) {
	case *agenticv1.StreamEventsResponse_Batch:
		f.failures = 0
		for _, event := range frame.Batch.GetEvents() {
			// Not judged by bookmarks: should a daemon be wrong about one, better out of order than lost.
			if event.GetRevision() > f.lastEvent {
				f.received, f.lastEvent = event.GetRevision(), event.GetRevision()
				f.items = append(f.items, event)
			}
		}
	case *agenticv1.StreamEventsResponse_Bookmark:
		f.failures = 0
		f.received = max(f.received, frame.Bookmark.GetRevision())
		f.items = append(f.items, bookmarked{Cursor{f.epoch, f.received}})
	case *agenticv1.StreamEventsResponse_Live:
		f.items = append(f.items, frame.Live)
	}
	return nil
}

func (f *follower) open(opened *agenticv1.StreamOpened) error {
	if f.epoch != "" && opened.GetEpoch() != f.epoch {
		// The daemon checks it, too; but an event of another log must not come from here.
		f.done = true
		return &Error{
			Code:     codes.FailedPrecondition,
			Reason:   "LOG_REPLACED",
			Message:  fmt.Sprintf("the cursor belongs to another log; this one is %s", opened.GetEpoch()),
			Metadata: map[string]string{"epoch": opened.GetEpoch()},
			kind:     ErrLogReplaced,
		}
	}
	if f.opened {
		f.items = append(f.items, resumed{Cursor{f.epoch, f.received}})
		return nil
	}
	f.opened, f.epoch = true, opened.GetEpoch()
	if f.request.AfterRevision == nil {
		f.received, f.lastEvent = opened.GetRevision(), opened.GetRevision()
	}
	f.cursor = Cursor{f.epoch, f.received}
	return nil
}

// next is the next item to hand on, nil if none is here. The cursor is then behind it.
func (f *follower) next() item {
	if len(f.items) == 0 {
		return nil
	}
	first := f.items[0]
	f.items = f.items[1:]
	switch first := first.(type) {
	case *agenticv1.Event:
		f.cursor = Cursor{f.epoch, first.GetRevision()}
	case bookmarked:
		f.cursor = first.cursor
	}
	return first
}

// ended says what to do when the RPC has ended, with an error or, nil, with OK: how long to wait before it is asked
// again, or, done, that the stream is complete. It returns the error if asking again does not mend it. Before the first
// frame that is any error, unless a daemon is proven to be there: a wrong address is an error, not a wait.
func (f *follower) ended(failure *Error) (time.Duration, error) {
	if failure == nil {
		if len(f.request.GetCallIds()) > 0 {
			f.done = true
			return 0, nil
		}
		failure = &Error{Code: codes.Unavailable, Message: "the stream ended without a reason", kind: ErrUnreachable}
	}
	if !f.mends(failure) {
		f.done = true
		return 0, failure
	}
	f.failures++
	return waitAfter(f.failures-1, failure.RetryAfter), nil
}

func (f *follower) mends(failure *Error) bool {
	if !f.opened && !f.proven {
		return false
	}
	switch failure.Code {
	case codes.Canceled, codes.Internal, codes.Unknown:
		// gRPC's words for a connection that broke. A frame that cannot be decoded is the same at the next attempt.
		return failure.Reason == "" && failure.kind != ErrInternal
	case codes.Unavailable:
		return true // a reason that is not known, too
	case codes.Aborted:
		return failure.Reason == "CONSUMER_STALLED"
	}
	return false
}

// leave gives nothing more. The cursor stays.
func (f *follower) leave() {
	f.done, f.items = true, nil
}

// waitAfter is how long to wait after so many failures before this one: longer each time, and never less than was asked
// for.
func waitAfter(failures int, asked time.Duration) time.Duration {
	return max(min(lastDelay, firstDelay<<min(failures, 10)), asked)
}
