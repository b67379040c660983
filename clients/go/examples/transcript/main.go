// Transcript has an agent call a number, shows what is said while it is said, and hangs up when somebody says a word:
//
//	transcript +15550002222 goodbye
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"

	"github.com/agenticd/agenticd/clients/go/agentic"
	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: transcript NUMBER [WORD]    for example: transcript +15550002222 goodbye")
		os.Exit(2)
	}
	number, word := os.Args[1], "goodbye"
	if len(os.Args) == 3 {
		word = os.Args[2]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := show(ctx, number, word); err != nil {
		fmt.Fprintln(os.Stderr, explain(err))
		os.Exit(1)
	}
}

// show places the call, and shows it to its end. When the context is cancelled it hangs up.
func show(ctx context.Context, number, word string) error {
	client, err := agentic.Connect("")
	if err != nil {
		return err
	}
	defer client.Close()

	placed, err := client.PlaceCall(ctx, &agenticv1.PlaceCallRequest{ToAddress: number})
	if err != nil {
		return err
	}
	callID := placed.GetCall().GetCallId()
	page := newPage(os.Stdout)
	page.note("call %s to %s", callID, number)

	said := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(word) + `\b`)
	hungUp := false
	back := func(agentic.Cursor) { page.note("the daemon is back, nothing was lost") }
	for event, err := range client.Follow(ctx, placed, agentic.OnLive(page.live), agentic.OnResume(back)).Events() {
		if errors.Is(err, context.Canceled) {
			page.note("hanging up")
			_, err := client.HangUp(context.WithoutCancel(ctx), callID, "Ctrl-C")
			return err
		}
		if err != nil {
			return err
		}
		page.event(event)
		if !hungUp && said.MatchString(event.GetTranscriptFinal().GetText()) {
			hungUp = true
			page.note("somebody said %q: hanging up", word)
			if _, err := client.HangUp(ctx, callID, "the word was said"); err != nil {
				return err
			}
		}
	}
	return nil
}

// explain is an error for the person at the terminal.
func explain(err error) string {
	var failure *agentic.Error
	switch {
	case errors.Is(err, agentic.ErrUnreachable):
		return fmt.Sprintf("no daemon answers: %v\nIs `agenticd serve` running? AGENTCTL_ADDR may name its address.", err)
	case errors.As(err, &failure) && len(failure.Violations) > 0:
		var wrong []string
		for _, one := range failure.Violations {
			wrong = append(wrong, one.Field+" "+one.Description)
		}
		return strings.Join(wrong, "\n")
	}
	return err.Error()
}
