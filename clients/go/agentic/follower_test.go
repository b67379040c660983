package agentic

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

const epoch = "5f0c2a19d3b84e67"

func gone() *Error { return &Error{Code: codes.Unavailable, Message: "gone", kind: ErrUnreachable} }

func refusal(code codes.Code, reason string) *Error {
	return &Error{Code: code, Reason: reason, Message: "refused", kind: kindsByReason[reason]}
}

func openedOf(epoch string, revision int64) *agenticv1.StreamEventsResponse {
	return &agenticv1.StreamEventsResponse{Frame: &agenticv1.StreamEventsResponse_Opened{
		Opened: &agenticv1.StreamOpened{Epoch: epoch, Revision: revision, FirstRevision: 1},
	}}
}

func opened(revision int64) *agenticv1.StreamEventsResponse { return openedOf(epoch, revision) }

func batch(revisions ...int64) *agenticv1.StreamEventsResponse {
	events := &agenticv1.EventBatch{}
	for _, revision := range revisions {
		events.Events = append(events.Events, &agenticv1.Event{Revision: revision})
	}
	return &agenticv1.StreamEventsResponse{Frame: &agenticv1.StreamEventsResponse_Batch{Batch: events}}
}

func bookmark(revision int64) *agenticv1.StreamEventsResponse {
	return &agenticv1.StreamEventsResponse{Frame: &agenticv1.StreamEventsResponse_Bookmark{
		Bookmark: &agenticv1.Bookmark{Revision: revision},
	}}
}

func live(text string) *agenticv1.StreamEventsResponse {
	return &agenticv1.StreamEventsResponse{Frame: &agenticv1.StreamEventsResponse_Live{
		Live: &agenticv1.LiveWords{Text: text},
	}}
}

// newer is a frame that only a newer daemon knows.
func newer() *agenticv1.StreamEventsResponse {
	frame := &agenticv1.StreamEventsResponse{}
	raw := protowire.AppendBytes(protowire.AppendTag(nil, 15, protowire.BytesType), []byte{8, 1})
	if err := proto.Unmarshal(raw, frame); err != nil {
		panic(err)
	}
	return frame
}

func after(revision int64) *agenticv1.StreamEventsRequest {
	return &agenticv1.StreamEventsRequest{AfterRevision: &revision}
}

// begun is a follower that has had its first frame.
func begun(t *testing.T, request *agenticv1.StreamEventsRequest, head int64) *follower {
	t.Helper()
	f := newFollower(request, false)
	take(t, f, opened(head))
	return f
}

func take(t *testing.T, f *follower, frames ...*agenticv1.StreamEventsResponse) {
	t.Helper()
	for _, frame := range frames {
		if err := f.handle(frame); err != nil {
			t.Fatalf("%v: %v", frame, err)
		}
	}
}

// mend ends the RPC with an error that asking again mends.
func mend(t *testing.T, f *follower, failure *Error) time.Duration {
	t.Helper()
	delay, err := f.ended(failure)
	if err != nil {
		t.Fatalf("%v is not mended: %v", failure, err)
	}
	return delay
}

// drained are the revisions of all events that it gives now.
func drained(f *follower) (revisions []int64) {
	for given := f.next(); given != nil; given = f.next() {
		if event, ok := given.(*agenticv1.Event); ok {
			revisions = append(revisions, event.GetRevision())
		}
	}
	return revisions
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sameAll[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestOverAnyCutsEachEventComesOnceAndInOrder(t *testing.T) {
	for seed := range uint64(2000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playCuts(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

// playCuts lets a log grow while streams of it are cut anywhere, and reads it with one follower.
func playCuts(t *testing.T, random *rand.Rand) {
	var log []int64
	last := int64(0)
	for range 1 + random.IntN(20) {
		last += 1 + random.Int64N(3) // they rise, not always by one
		log = append(log, last)
	}
	request, head := &agenticv1.StreamEventsRequest{}, random.Int64N(last+1)
	begin := head
	if random.IntN(3) > 0 {
		begin = random.Int64N(last + 1)
		head = max(head, begin)
		request.AfterRevision = proto.Int64(begin)
		if random.IntN(2) > 0 {
			request.Epoch = epoch
		}
	}
	f := newFollower(request, random.IntN(2) > 0)
	var got []int64
	read := func(most int) {
		for ; most > 0; most-- {
			switch given := f.next().(type) {
			case *agenticv1.Event:
				got = append(got, given.GetRevision())
				same(t, "cursor", f.cursor, Cursor{epoch, given.GetRevision()})
			case bookmarked:
				same(t, "cursor", f.cursor, given.cursor)
				for _, revision := range log {
					if revision > begin && revision <= given.cursor.Revision && !slices.Contains(got, revision) {
						t.Fatalf("the cursor %v is behind %d, which was not given: %v", given.cursor, revision, got)
					}
				}
			}
		}
	}
	for rpc := 0; ; rpc++ {
		asked, _ := f.ask()
		if rpc > 0 {
			same(t, "epoch of a later request", asked.GetEpoch(), epoch)
		}
		if rpc > 20 {
			head = last // enough of connections that are cut
		}
		frames := streamed(random, log, asked, head)
		cut := len(frames)
		if head < last {
			cut = 1 + random.IntN(cut)
		}
		for _, frame := range frames[:cut] {
			take(t, f, frame)
			read(random.IntN(4))
		}
		if head == last && cut == len(frames) {
			break
		}
		mend(t, f, gone())
		head += random.Int64N(last - head + 1)
	}
	read(len(log) * 10)
	want := slices.DeleteFunc(slices.Clone(log), func(revision int64) bool { return revision <= begin })
	sameAll(t, "events", got, want)
}

// streamed is what a daemon sends up to the head: batches cut anywhere, with bookmarks, words and new frames between.
func streamed(
	random *rand.Rand, log []int64, asked *agenticv1.StreamEventsRequest, head int64,
) []*agenticv1.StreamEventsResponse {
	from := head
	if asked.AfterRevision != nil {
		from = asked.GetAfterRevision()
	}
	rest := slices.DeleteFunc(slices.Clone(log), func(revision int64) bool { return revision <= from || revision > head })
	frames := []*agenticv1.StreamEventsResponse{opened(head)}
	for len(rest) > 0 {
		size := 1 + random.IntN(len(rest))
		frames = append(frames, batch(rest[:size]...))
		switch random.IntN(4) {
		case 0:
			frames = append(frames, bookmark(rest[size-1]))
		case 1:
			frames = append(frames, live("Hel"))
		case 2:
			frames = append(frames, newer())
		}
		rest = rest[size:]
	}
	if random.IntN(2) > 0 {
		frames = append(frames, bookmark(max(from, head)))
	}
	return frames
}

func TestADaemonThatRepeatsItselfIsNotRepeated(t *testing.T) {
	f := begun(t, after(0), 9)
	take(t, f, batch(1, 2, 2), batch(1, 3), batch(3), batch(5, 4))
	sameAll(t, "events", drained(f), []int64{1, 2, 3, 5})
}

func TestABookmarkThatIsWrongCostsNoEvent(t *testing.T) {
	f := begun(t, after(0), 9)
	take(t, f, bookmark(7), batch(5))
	sameAll(t, "events", drained(f), []int64{5})
}

func TestAnEventOfANewKindIsGivenLikeAnyOther(t *testing.T) {
	f := begun(t, after(0), 9)
	event := &agenticv1.Event{}
	raw := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 4)
	raw = protowire.AppendBytes(protowire.AppendTag(raw, 900, protowire.BytesType), nil)
	if err := proto.Unmarshal(raw, event); err != nil {
		t.Fatal(err)
	}
	take(t, f, &agenticv1.StreamEventsResponse{Frame: &agenticv1.StreamEventsResponse_Batch{
		Batch: &agenticv1.EventBatch{Events: []*agenticv1.Event{event}},
	}})
	sameAll(t, "events", drained(f), []int64{4})
	same(t, "its kind", Kind(event), "")
}

func TestTheNextRequestBeginsBehindWhatCameEvenIfItWasNotReadYet(t *testing.T) {
	request := after(3)
	request.CallIds, request.Types, request.IncludeLive = []string{"one"}, []string{"warning"}, true
	f := begun(t, request, 9)
	take(t, f, batch(4, 5), bookmark(9))
	f.next()
	same(t, "cursor", f.cursor, Cursor{epoch, 4})
	mend(t, f, gone())
	asked, wait := f.ask()
	want := proto.CloneOf(request)
	want.Epoch, want.AfterRevision = epoch, proto.Int64(9)
	if !proto.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
	same(t, "waits for a daemon that is away", wait, true)
	take(t, f, opened(9))
	sameAll(t, "events", drained(f), []int64{5})
	same(t, "cursor", f.cursor, Cursor{epoch, 9})
}

func TestWhoComesBackIsToldSoBehindWhatWasStillHere(t *testing.T) {
	f := begun(t, after(0), 0)
	take(t, f, batch(2))
	mend(t, f, gone())
	take(t, f, opened(2), batch(3))
	same(t, "first", f.next().(*agenticv1.Event).GetRevision(), 2)
	same(t, "second", f.next().(resumed), resumed{Cursor{epoch, 2}})
	same(t, "third", f.next().(*agenticv1.Event).GetRevision(), 3)
}

func TestFromNowOnIsFromTheFirstNowOverAllConnections(t *testing.T) {
	f := begun(t, &agenticv1.StreamEventsRequest{}, 7)
	same(t, "cursor", f.cursor, Cursor{epoch, 7})
	mend(t, f, gone())
	asked, _ := f.ask()
	same(t, "after_revision", asked.GetAfterRevision(), 7)
	take(t, f, opened(9), batch(7, 8))
	sameAll(t, "events", drained(f), []int64{8})
}

func TestACursorThatWasGivenIsKnownAtOnceAndABareRevisionWithTheFirstFrame(t *testing.T) {
	given := after(4)
	given.Epoch = epoch
	same(t, "given", newFollower(given, false).cursor, Cursor{epoch, 4})
	bare := newFollower(after(4), false)
	same(t, "bare", bare.cursor, Cursor{})
	take(t, bare, opened(9))
	same(t, "bare, opened", bare.cursor, Cursor{epoch, 4})
}

func TestEventsOfAnotherLogAreNeverGiven(t *testing.T) {
	given := after(4)
	given.Epoch = epoch
	seen := begun(t, after(4), 4)
	mend(t, seen, gone())
	for name, f := range map[string]*follower{"given": newFollower(given, false), "seen": seen} {
		t.Run(name, func(t *testing.T) {
			err := f.handle(openedOf("restored", 9))
			var failure *Error
			if !errors.As(err, &failure) || !errors.Is(err, ErrLogReplaced) || !errors.Is(err, ErrCursorInvalid) {
				t.Fatalf("got %v", err)
			}
			same(t, "metadata", failure.Metadata["epoch"], "restored")
			same(t, "reason", failure.Reason, "LOG_REPLACED")
			same(t, "done", f.done, true)
			same(t, "cursor", f.cursor, Cursor{epoch, 4})
		})
	}
}

func TestAStreamThatDoesNotBeginWithOpenedIsAnErrorAndNotAnEvent(t *testing.T) {
	for name, frame := range map[string]*agenticv1.StreamEventsResponse{
		"batch": batch(1), "bookmark": bookmark(1), "live": live("Hel"), "newer": newer(),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFollower(after(0), true)
			if err := f.handle(frame); !errors.Is(err, ErrInternal) {
				t.Errorf("got %v", err)
			}
			same(t, "done", f.done, true)
			same(t, "given", f.next(), nil)
		})
	}
}

func TestAnEndWithoutAnErrorCompletesOnlyAStreamAboutCalls(t *testing.T) {
	for _, callIDs := range [][]string{nil, {"one"}} {
		request := after(0)
		request.CallIds = callIDs
		f := begun(t, request, 0)
		delay := mend(t, f, nil)
		same(t, fmt.Sprintf("done with %v", callIDs), f.done, callIDs != nil)
		same(t, fmt.Sprintf("waits with %v", callIDs), delay > 0, callIDs == nil)
	}
}

func TestWhatIsWaitedFor(t *testing.T) {
	for _, row := range []struct {
		error *Error
		mends bool
	}{
		{gone(), true},
		{refusal(codes.Unavailable, "DRAINING"), true},
		{refusal(codes.Unavailable, "STORE_DOWN"), true},
		{refusal(codes.Unavailable, "SOMETHING_NEW"), true},
		{refusal(codes.Aborted, "CONSUMER_STALLED"), true},
		{refusal(codes.Aborted, ""), false},
		{refusal(codes.Canceled, ""), true},
		{refusal(codes.Internal, ""), true},
		{refusal(codes.Unknown, ""), true},
		{refusal(codes.Internal, "INTERNAL"), false},
		{refusal(codes.OutOfRange, "CURSOR_COMPACTED"), false},
		{refusal(codes.FailedPrecondition, "LOG_REPLACED"), false},
		{refusal(codes.Unauthenticated, "UNAUTHENTICATED"), false},
		{refusal(codes.NotFound, "CALL_NOT_FOUND"), false},
		{refusal(codes.ResourceExhausted, ""), false},
	} {
		for _, state := range []string{"new", "proven", "opened"} {
			t.Run(fmt.Sprintf("%s %s %s", row.error.Code, row.error.Reason, state), func(t *testing.T) {
				f := newFollower(after(0), state == "proven")
				if state == "opened" {
					take(t, f, opened(0))
				}
				delay, err := f.ended(row.error)
				if row.mends && state != "new" {
					same(t, "error", err, nil)
					same(t, "delay", delay, firstDelay)
				} else {
					same(t, "error", err, error(row.error))
				}
				same(t, "done", f.done, err != nil)
			})
		}
	}
}

func TestWaitsGrowUpToALimitBeginAnewWithEachSignOfLifeAndHeedTheDaemon(t *testing.T) {
	f := begun(t, after(0), 0)
	var waits []time.Duration
	for range 8 {
		waits = append(waits, mend(t, f, gone())/time.Millisecond)
	}
	sameAll(t, "waits in ms", waits, []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000})
	take(t, f, opened(0))
	same(t, "behind opened alone: a daemon that opens and dies is not hammered", mend(t, f, gone()), lastDelay)
	take(t, f, bookmark(1))
	same(t, "behind a bookmark", mend(t, f, gone()), firstDelay)
	take(t, f, batch(2))
	same(t, "behind a batch", mend(t, f, gone()), firstDelay)
	draining := refusal(codes.Unavailable, "DRAINING")
	draining.RetryAfter = 20 * time.Second
	same(t, "as long as the daemon says", mend(t, f, draining), 20*time.Second)
	same(t, "after many failures", waitAfter(10_000, 0), lastDelay)
}

func TestWhoLeavesIsGivenNothingMoreAndKeepsTheCursor(t *testing.T) {
	f := begun(t, after(0), 0)
	take(t, f, batch(1, 2))
	f.next()
	f.leave()
	same(t, "given", f.next(), nil)
	same(t, "done", f.done, true)
	same(t, "cursor", f.cursor, Cursor{epoch, 1})
}
