package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

// carryOut begins what the order says. Streams are made at once, so that a leave behind a follow finds its stream; all
// else runs beside the orders that come.
func (t *teller) carryOut(ctx context.Context, what order) {
	requests := map[string]func(context.Context, order) (line, error){
		"place":      t.place,
		"hang_up":    t.hangUp,
		"get":        t.get,
		"list":       t.list,
		"transcript": t.transcript,
		"status":     t.status,
		"leave":      t.leave,
	}
	switch request, known := requests[what.Do]; {
	case known:
		t.orders.Go(func() {
			ok, err := request(ctx, what)
			t.answer(what.ID, ok, err)
		})
	case what.Do == "follow":
		t.follow(ctx, what)
	case what.Do == "follow_call":
		t.followCall(ctx, what)
	default:
		fmt.Fprintf(os.Stderr, "story: no such order: %q\n", what.Do)
		os.Exit(2)
	}
}

func (t *teller) place(ctx context.Context, what order) (line, error) {
	request := &agenticv1.PlaceCallRequest{
		ToAddress: what.To, Agent: what.Agent, Metadata: what.Metadata, RequestId: what.RequestID,
	}
	if what.Greeting != nil {
		request.Overrides = &agenticv1.AgentOverrides{Greeting: what.Greeting}
	}
	var sent string
	placed, err := t.client.PlaceCall(context.WithValue(ctx, sentKey{}, &sent), request)
	if err != nil {
		return nil, err
	}
	return line{
		"call_id":    placed.GetCall().GetCallId(),
		"state":      short(placed.GetCall().GetState(), "CALL_STATE_"),
		"revision":   placed.GetRevision(),
		"epoch":      placed.GetEpoch(),
		"replayed":   placed.GetReplayed(),
		"request_id": sent,
	}, nil
}

type sentKey struct{}

// noteRequestID is an interceptor: the client does not say which request_id it made, and the story asks.
func noteRequestID(
	ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	if sent, ok := ctx.Value(sentKey{}).(*string); ok {
		*sent = request.(*agenticv1.PlaceCallRequest).GetRequestId()
	}
	return invoke(ctx, method, request, answer, connection, options...)
}

func (t *teller) hangUp(ctx context.Context, what order) (line, error) {
	answer, err := t.client.HangUp(ctx, what.CallID, what.Reason)
	if err != nil {
		return nil, err
	}
	call := answer.GetCall()
	return line{"call_id": call.GetCallId(), "state": short(call.GetState(), "CALL_STATE_")}, nil
}

func (t *teller) get(ctx context.Context, what order) (line, error) {
	answer, err := t.client.GetCall(ctx, what.CallID)
	if err != nil {
		return nil, err
	}
	call := answer.GetCall()
	return line{
		"call_id":    call.GetCallId(),
		"state":      short(call.GetState(), "CALL_STATE_"),
		"end_reason": short(call.GetEnd().GetReason(), "END_REASON_"),
		"ended_by":   short(call.GetEnd().GetEndedBy(), "ENDED_BY_"),
		"revision":   answer.GetRevision(),
		"epoch":      answer.GetEpoch(),
	}, nil
}

func (t *teller) list(ctx context.Context, what order) (line, error) {
	request := &agenticv1.ListCallsRequest{PageSize: what.PageSize}
	first, err := t.client.ListCalls(ctx, request)
	if err != nil {
		return nil, err
	}
	calls := []string{}
	for page := first; ; {
		for _, call := range page.GetCalls() {
			calls = append(calls, call.GetCallId())
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return line{"calls": calls, "revision": first.GetRevision(), "epoch": first.GetEpoch()}, nil
		}
		if page, err = t.client.ListCalls(ctx, request); err != nil {
			return nil, err
		}
	}
}

func (t *teller) transcript(ctx context.Context, what order) (line, error) {
	answer, err := t.client.Transcript(ctx, what.CallID)
	if err != nil {
		return nil, err
	}
	utterances := []line{}
	for _, said := range answer.GetUtterances() {
		utterances = append(utterances, line{"speaker": short(said.GetSpeaker(), "SPEAKER_"), "text": said.GetText()})
	}
	return line{"utterances": utterances}, nil
}

func (t *teller) status(ctx context.Context, _ order) (line, error) {
	answer, err := t.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	return line{
		"version": answer.GetVersion(), "epoch": answer.GetEpoch(), "head_revision": answer.GetHeadRevision(),
	}, nil
}

// short is an enum's value without its prefix, and "" when it is not set.
func short(value fmt.Stringer, prefix string) string {
	return strings.Replace(strings.TrimPrefix(value.String(), prefix), "UNSPECIFIED", "", 1)
}
