package main

import (
	"strings"
	"testing"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

const (
	agent  = agenticv1.Speaker_SPEAKER_AGENT
	caller = agenticv1.Speaker_SPEAKER_CALLER
)

func words(item string, speaker agenticv1.Speaker, offset int32, text string) *agenticv1.LiveWords {
	return &agenticv1.LiveWords{ItemId: item, Speaker: speaker, Offset: offset, Text: text}
}

func begins(item string) *agenticv1.Event {
	return &agenticv1.Event{Payload: &agenticv1.Event_SpeechStarted{
		SpeechStarted: &agenticv1.SpeechStarted{ItemId: item},
	}}
}

func whole(item string, speaker agenticv1.Speaker, text string, interrupted bool) *agenticv1.Event {
	return &agenticv1.Event{Payload: &agenticv1.Event_TranscriptFinal{TranscriptFinal: &agenticv1.TranscriptFinal{
		ItemId: item, Speaker: speaker, Text: text, Interrupted: interrupted,
	}}}
}

func TestAConversationIsWrittenInItsOrder(t *testing.T) {
	var out strings.Builder
	page := newPage(&out)
	want := func(text string) {
		t.Helper()
		if out.String() != text {
			t.Fatalf("%q, want %q", out.String(), text)
		}
		out.Reset()
	}

	page.live(words("1", agent, 0, "Good"))
	page.live(words("1", agent, 4, " morning."))
	want("  agent  Good morning.")
	page.event(whole("1", agent, "Good morning.", false))
	want("\n")

	page.event(begins("2"))
	page.live(words("3", agent, 0, "We open"))
	want("") // what the caller said is not known yet
	page.live(words("2", caller, 0, "When do you open?"))
	want(" caller  When do you open?")
	page.event(whole("2", caller, "When do you open?", false))
	want("\n  agent  We open")

	page.live(words("3", agent, 12, "five,")) // " at" was dropped
	page.note("note")
	want("\n      *  note\n")
	page.event(whole("3", agent, "We open at five, every day.", true))
	want("  agent  … at five, every day. [interrupted]\n")

	page.event(begins("4")) // a cough
	page.live(words("5", agent, 0, "Is"))
	page.event(whole("5", agent, "Are you still there?", false))
	want("  agent  Are you still there?\n")
	page.live(words("6", agent, 0, "Is"))
	page.event(whole("6", agent, "Are you?", false))
	want("  agent  Is\n  agent  Are you?\n")
}
