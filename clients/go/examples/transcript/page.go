package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

// A page writes a conversation: a line for each utterance, word by word, in the order in which they began. That is not
// the order in which words come: a caller's are often known only after the agent has begun to answer. So the line of a
// caller is kept free from the moment at which they begin to speak, and what comes behind it waits.
type page struct {
	out        io.Writer
	utterances []*utterance // the first is the one that is being written
}

type utterance struct {
	item    string
	speaker agenticv1.Speaker
	text    string
	written string
	open    bool // its line is the last one, and goes on
	whole   bool // nothing more will come
}

func newPage(out io.Writer) *page { return &page{out: out} }

// live takes words while they are spoken.
func (p *page) live(words *agenticv1.LiveWords) {
	one := p.utterance(words.GetItemId(), words.GetSpeaker())
	// Words may be dropped on the way, and are never guessed: the whole comes with transcript_final.
	if int(words.GetOffset()) == utf8.RuneCountInString(one.text) {
		one.text += words.GetText()
	}
	p.write()
}

// event takes what happened, and writes what a listener would notice.
func (p *page) event(event *agenticv1.Event) {
	switch what := event.GetPayload().(type) {
	case *agenticv1.Event_CallRinging:
		p.note("it rings")
	case *agenticv1.Event_CallAnswered:
		p.note("answered")
	case *agenticv1.Event_SpeechStarted:
		p.utterance(what.SpeechStarted.GetItemId(), agenticv1.Speaker_SPEAKER_CALLER)
	case *agenticv1.Event_TranscriptFinal:
		p.final(what.TranscriptFinal)
	case *agenticv1.Event_CallEnded:
		end := what.CallEnded.GetEnd()
		p.note("the call is over: %s by %s", strings.TrimPrefix(end.GetReason().String(), "END_REASON_"),
			strings.TrimPrefix(end.GetEndedBy().String(), "ENDED_BY_"))
	case *agenticv1.Event_CallClosed:
		p.note("it lasted %s", what.CallClosed.GetDuration().AsDuration().Round(100*time.Millisecond))
	}
}

// note writes a line of the page's own, below the utterance that is being written.
func (p *page) note(format string, args ...any) {
	if len(p.utterances) > 0 {
		p.end(p.utterances[0])
	}
	fmt.Fprintf(p.out, "      *  "+format+"\n", args...)
}

func (p *page) final(said *agenticv1.TranscriptFinal) {
	one := p.utterance(said.GetItemId(), said.GetSpeaker())
	one.text, one.whole = said.GetText(), true
	if said.GetInterrupted() {
		one.text += " [interrupted]"
	}
	if one.speaker == agenticv1.Speaker_SPEAKER_AGENT {
		// What the agent has answered to, and has no words by now, was some noise.
		for len(p.utterances) > 1 && p.utterances[0].text == "" {
			p.utterances = p.utterances[1:]
		}
	}
	p.write()
}

// utterance is the one of that item, new at the end if it is not known.
func (p *page) utterance(item string, speaker agenticv1.Speaker) *utterance {
	for _, one := range p.utterances {
		if one.item == item {
			return one
		}
	}
	made := &utterance{item: item, speaker: speaker}
	p.utterances = append(p.utterances, made)
	return made
}

// write writes as much as can be written in order.
func (p *page) write() {
	for len(p.utterances) > 0 {
		first := p.utterances[0]
		rest, goesOn := strings.CutPrefix(first.text, first.written)
		if !goesOn {
			p.end(first)
			first.written, rest = "", first.text
		}
		if rest != "" && !first.open {
			fmt.Fprintf(p.out, "%7s  ", strings.ToLower(strings.TrimPrefix(first.speaker.String(), "SPEAKER_")))
			if first.written != "" {
				fmt.Fprint(p.out, "…")
			}
			first.open = true
		}
		fmt.Fprint(p.out, rest)
		first.written = first.text
		if !first.whole {
			return
		}
		p.end(first)
		p.utterances = p.utterances[1:]
	}
}

func (p *page) end(one *utterance) {
	if one.open {
		fmt.Fprintln(p.out)
		one.open = false
	}
}
