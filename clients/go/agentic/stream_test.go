package agentic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

// read reads a stream to its end.
func read(stream *Stream) (revisions []int64, err error) {
	for event, err := range stream.Events() {
		if err != nil {
			return revisions, err
		}
		revisions = append(revisions, event.GetRevision())
	}
	return revisions, nil
}

func TestACallIsFollowedFromItsFirstEventToItsLast(t *testing.T) {
	d, client := started(t)
	d.script(frames(complete, opened(9), batch(5, 6), batch(9)))
	placed, err := client.PlaceCall(t.Context(), order())
	same(t, "error", err, nil)
	stream := client.Follow(t.Context(), placed, AfterRevision(0), OfCalls("another"))
	got, err := read(stream)
	same(t, "error", err, nil)
	sameAll(t, "events", got, []int64{5, 6, 9})
	same(t, "cursor", stream.Cursor(), Cursor{epoch, 9})
	asked := came[*agenticv1.StreamEventsRequest](d)[0]
	same(t, "after_revision", asked.GetAfterRevision(), 4)
	same(t, "epoch", asked.GetEpoch(), epoch)
	sameAll(t, "call_ids", asked.GetCallIds(), []string{callID})
	_, err = stream.Next()
	same(t, "behind its end", err, io.EOF)
}

func TestWhatIsWantedIsSent(t *testing.T) {
	d, client := started(t)
	for _, row := range []struct {
		options []StreamOption
		want    string
	}{
		{nil, ""},
		{[]StreamOption{AfterRevision(0)}, "after_revision:0"},
		{[]StreamOption{After(Cursor{epoch, 7})}, `after_revision:7 epoch:"` + epoch + `"`},
		{[]StreamOption{After(Cursor{})}, "after_revision:0"},
		{[]StreamOption{OfTypes("warning", "call_ended"), OfCalls("1")}, `call_ids:"1" types:"warning" types:"call_ended"`},
		{[]StreamOption{OnLive(func(*agenticv1.LiveWords) {})}, "include_live:true"},
	} {
		d.script(frames(fault(codes.NotFound, "CALL_NOT_FOUND")))
		if _, err := read(client.Events(t.Context(), row.options...)); !errors.Is(err, ErrCallNotFound) {
			t.Fatal(err)
		}
		all := came[*agenticv1.StreamEventsRequest](d)
		same(t, "request", strings.Join(strings.Fields(fmt.Sprint(all[len(all)-1])), " "), row.want)
	}
}

func TestWordsBookmarksAndResumptionsComeInTheirPlaces(t *testing.T) {
	d, client := started(t)
	d.script(
		frames(fault(codes.Unavailable, "DRAINING"), opened(0), batch(1), live("Hel"), bookmark(3), newer()),
		frames(complete, opened(3), live("lo"), batch(4)),
	)
	var got []string
	note := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	var stream *Stream
	stream = client.Events(t.Context(), AfterRevision(0), OfCalls(callID),
		OnLive(func(words *agenticv1.LiveWords) { note("live %s at %v", words.GetText(), stream.Cursor().Revision) }),
		OnBookmark(func(cursor Cursor) { note("bookmark %v", cursor) }),
		OnResume(func(cursor Cursor) { note("resumed %v", cursor) }),
	)
	for event, err := range stream.Events() {
		same(t, "error", err, nil)
		note("event %d", event.GetRevision())
	}
	sameAll(t, "told", got, []string{
		"event 1", "live Hel at 1", "bookmark " + epoch + ":3", "resumed " + epoch + ":3", "live lo at 3", "event 4",
	})
	same(t, "asked behind the bookmark", came[*agenticv1.StreamEventsRequest](d)[1].GetAfterRevision(), 3)
}

func TestARestartOfTheDaemonLosesAndRepeatsNothing(t *testing.T) {
	d, client := started(t)
	log := []int64{2, 4, 6, 8, 10, 12}
	following := func(request *agenticv1.StreamEventsRequest, stream streamServer) error {
		if err := stream.Send(opened(12)); err != nil {
			return err
		}
		for at, revision := range log {
			if revision <= request.GetAfterRevision() {
				continue
			}
			if err := stream.Send(batch(revision)); err != nil {
				return err
			}
			if at%2 == 1 {
				return send(stream, nil) // two, and then it is quiet
			}
		}
		return nil
	}
	d.script(following, following, following, following)
	resumptions := 0
	stream := client.Events(t.Context(), AfterRevision(0), OfCalls(callID), OnResume(func(Cursor) { resumptions++ }))
	var got []int64
	for event, err := range stream.Events() {
		same(t, "error", err, nil)
		got = append(got, event.GetRevision())
		if len(got)%2 == 0 {
			d.server.Stop()
			d.start(t)
		}
	}
	sameAll(t, "events", got, log)
	same(t, "resumptions", resumptions, 3)
}

func TestAClientThatHadAnAnswerWaitsForTheFirstFrameToo(t *testing.T) {
	d, client := started(t)
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.server.Stop()
	d.script(frames(complete, opened(0), batch(1)))
	done := make(chan []int64)
	go func() {
		got, _ := read(client.Events(t.Context(), AfterRevision(0), OfCalls(callID)))
		done <- got
	}()
	d.start(t)
	sameAll(t, "events", <-done, []int64{1})
}

func TestAWrongAddressIsAnErrorAndNotAWait(t *testing.T) {
	client := connected(t, newDaemon(t).address)
	if _, err := client.Events(t.Context()).Next(); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

func TestWhatAskingAgainDoesNotMendEndsTheStream(t *testing.T) {
	d, client := started(t)
	d.script(
		frames(fault(codes.Aborted, "CONSUMER_STALLED"), opened(0), batch(1)),
		frames(fault(codes.OutOfRange, "CURSOR_COMPACTED"), opened(1), batch(2)),
	)
	stream := client.Events(t.Context(), AfterRevision(0))
	got, err := read(stream)
	sameAll(t, "events", got, []int64{1, 2})
	if !errors.Is(err, ErrCursorCompacted) {
		t.Error(err)
	}
	_, again := stream.Next()
	same(t, "again", again, err)
	same(t, "cursor", stream.Cursor(), Cursor{epoch, 2})
}

func TestADaemonThatBreaksTheContractIsHungUpOn(t *testing.T) {
	d, client := started(t)
	left := make(chan struct{})
	d.script(func(_ *agenticv1.StreamEventsRequest, stream streamServer) error {
		defer close(left)
		return send(stream, nil, batch(1))
	})
	if _, err := client.Events(t.Context()).Next(); !errors.Is(err, ErrInternal) {
		t.Error(err)
	}
	<-left
}

func TestWhoLeavesGetsNothingMoreAndTheDaemonNotices(t *testing.T) {
	for name, leave := range map[string]func(*Stream, context.CancelFunc) error{
		"out of the loop": func(stream *Stream, _ context.CancelFunc) error {
			for _, err := range stream.Events() {
				if err != nil {
					return err
				}
				break
			}
			return io.EOF
		},
		"by Close": func(stream *Stream, _ context.CancelFunc) error {
			stream.Next()
			stream.Close()
			return io.EOF
		},
		"by its context": func(stream *Stream, cancel context.CancelFunc) error {
			stream.Next()
			cancel()
			return context.Canceled
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, client := started(t)
			left := make(chan struct{})
			d.script(func(_ *agenticv1.StreamEventsRequest, stream streamServer) error {
				defer close(left)
				return send(stream, nil, opened(0), batch(1, 2))
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream := client.Events(ctx, AfterRevision(0))
			want := leave(stream, cancel)
			if event, err := stream.Next(); !errors.Is(err, want) {
				t.Errorf("%v, %v, want %v", event, err, want)
			}
			same(t, "cursor", stream.Cursor(), Cursor{epoch, 1})
			<-left
		})
	}
}

func TestAnotherGoroutineCanEndTheWaiting(t *testing.T) {
	d, client := started(t)
	following := make(chan struct{})
	d.script(func(request *agenticv1.StreamEventsRequest, stream streamServer) error {
		close(following)
		return quiet(request, stream)
	})
	stream := client.Events(t.Context())
	end := make(chan error)
	go func() {
		_, err := stream.Next()
		end <- err
	}()
	<-following
	stream.Close()
	same(t, "the end", <-end, io.EOF)
}

func TestADaemonDoesNotRunFarAheadOfAReader(t *testing.T) {
	const size, count = 16 << 10, 512 // 8 MiB in all
	d, client := started(t)
	var sent atomic.Int64
	text := strings.Repeat("x", size)
	speak := func(_ *agenticv1.StreamEventsRequest, stream streamServer) error {
		if err := stream.Send(opened(0)); err != nil {
			return err
		}
		for revision := range int64(count) {
			frame := batch(revision + 1)
			frame.GetBatch().GetEvents()[0].Payload = &agenticv1.Event_TranscriptFinal{
				TranscriptFinal: &agenticv1.TranscriptFinal{Text: text},
			}
			if err := stream.Send(frame); err != nil {
				return err
			}
			sent.Store(revision + 1)
		}
		return nil
	}
	d.script(speak, speak)
	got, err := read(client.Events(t.Context(), AfterRevision(0), OfCalls(callID)))
	same(t, "error", err, nil)
	same(t, "what one who reads fast gets", len(got), count)

	slow := client.Events(t.Context(), AfterRevision(0), OfCalls(callID))
	for revision := range int64(count) {
		event, err := slow.Next()
		same(t, "error", err, nil)
		same(t, "revision", event.GetRevision(), revision+1)
		// An answer gives the daemon the time to run ahead.
		if _, err := client.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ahead := sent.Load() - revision; ahead > 16 {
			t.Fatalf("%d messages of %d bytes ahead of its reader", ahead, size)
		}
	}
	_, err = slow.Next()
	same(t, "the end", err, io.EOF)
}

func TestAClientThatIsClosedEndsItsStreamsBySayingSoWhateverBreaksFirst(t *testing.T) {
	d, client := started(t)
	d.silent = make(chan struct{})
	stream := client.Events(t.Context())
	for _, unhook := range stream.unhook {
		unhook() // the connection is gone before the stream's context is
	}
	end := make(chan error)
	go func() {
		_, err := stream.Next()
		end <- err
	}()
	d.hasHad(1)
	client.Close()
	if err := <-end; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestOnlyTheFollowerAsksAgainForAStream(t *testing.T) {
	d, client := started(t)
	d.script(frames(fault(codes.Unavailable, "STORE_DOWN")), frames(complete, opened(0)))
	if _, err := client.Events(t.Context(), OfCalls(callID)).Next(); !errors.Is(err, ErrStoreDown) {
		t.Error(err)
	}
	same(t, "requests", len(came[*agenticv1.StreamEventsRequest](d)), 1)
}

func TestAFrameThatCannotBeDecodedEndsTheStream(t *testing.T) {
	d, client := started(t)
	garbled := batch(2)
	garbled.ProtoReflect().SetUnknown(protowire.AppendTag(nil, 15, protowire.BytesType)) // without the bytes
	d.script(frames(nil, opened(0), batch(1), garbled), frames(complete, opened(0)))
	got, err := read(client.Events(t.Context(), AfterRevision(0), OfCalls(callID)))
	sameAll(t, "events", got, []int64{1})
	if !errors.Is(err, ErrInternal) {
		t.Error(err)
	}
}
