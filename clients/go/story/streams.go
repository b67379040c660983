package main

import (
	"context"
	"fmt"

	"github.com/agenticd/agenticd/clients/go/agentic"
	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

// A followed is a stream, and whether its end was told.
type followed struct {
	stream *agentic.Stream
	told   chan struct{}
}

func (t *teller) follow(ctx context.Context, what order) {
	options := t.hooks(what)
	if what.Cursor != "" {
		cursor, err := agentic.ParseCursor(what.Cursor)
		if err != nil {
			t.answer(what.ID, nil, err)
			return
		}
		options = append(options, agentic.After(cursor))
	} else if what.After != nil {
		options = append(options, agentic.AfterRevision(*what.After))
	}
	options = append(options, agentic.OfCalls(what.CallIDs...), agentic.OfTypes(what.Types...))
	if what.Live {
		options = append(options, agentic.OnLive(func(words *agenticv1.LiveWords) {
			t.say(line{"follow": what.Name, "live": line{
				"call_id": words.GetCallId(), "speaker": short(words.GetSpeaker(), "SPEAKER_"),
				"offset": words.GetOffset(), "text": words.GetText(),
			}})
		}))
	}
	t.tell(what, t.client.Events(ctx, options...))
}

func (t *teller) followCall(ctx context.Context, what order) {
	placed := &agenticv1.PlaceCallResponse{
		Call: &agenticv1.Call{CallId: what.CallID}, Revision: what.Revision, Epoch: what.Epoch,
	}
	t.tell(what, t.client.Follow(ctx, placed, t.hooks(what)...))
}

func (t *teller) hooks(what order) []agentic.StreamOption {
	return []agentic.StreamOption{
		agentic.OnBookmark(func(cursor agentic.Cursor) {
			t.say(line{"follow": what.Name, "cursor": cursor.String()})
		}),
		agentic.OnResume(func(cursor agentic.Cursor) {
			t.say(line{"follow": what.Name, "resumed": cursor.String()})
		}),
	}
}

// tell begins to tell what comes on the stream.
func (t *teller) tell(what order, stream *agentic.Stream) {
	told := make(chan struct{})
	t.streams.Store(what.Name, &followed{stream, told})
	t.answer(what.ID, line{}, nil)
	t.reading.Go(func() {
		defer close(told)
		end := line{"follow": what.Name, "end": nil}
		given := 0
		for event, err := range stream.Events() {
			if err != nil {
				end["end"] = describe(err)
				break
			}
			t.say(line{"follow": what.Name, "event": line{
				"revision": event.GetRevision(), "call_id": event.GetCallId(), "call_sequence": event.GetCallSequence(),
				"kind": agentic.Kind(event), "text": event.GetTranscriptFinal().GetText(),
			}})
			if given++; given == what.Most {
				break
			}
		}
		end["cursor"] = stream.Cursor().String()
		t.say(end)
	})
}

func (t *teller) leave(_ context.Context, what order) (line, error) {
	found, ok := t.streams.Load(what.Name)
	if !ok {
		return nil, fmt.Errorf("no stream is called %q", what.Name)
	}
	one := found.(*followed)
	one.stream.Close()
	<-one.told
	return line{}, nil
}
