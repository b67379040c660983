package agentic

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func order() *agenticv1.PlaceCallRequest {
	return &agenticv1.PlaceCallRequest{ToAddress: "+15550002222"}
}

func TestAnOrderIsSentAsItWasMeantWithARequestIDOfItsOwn(t *testing.T) {
	d, client := started(t)
	given := order()
	given.Metadata = map[string]string{"order": "17"}
	for range 2 {
		placed, err := client.PlaceCall(t.Context(), given)
		same(t, "error", err, nil)
		same(t, "call_id", placed.GetCall().GetCallId(), callID)
	}
	same(t, "the program's own request is left as it is", given.GetRequestId(), "")
	ids := map[string]bool{}
	for _, sent := range came[*agenticv1.PlaceCallRequest](d) {
		ids[sent.GetRequestId()] = true
		same(t, "is a random UUID: "+sent.GetRequestId(), uuid4.MatchString(sent.GetRequestId()), true)
		sent.RequestId = ""
		same(t, "the rest", proto.Equal(sent, given), true)
	}
	same(t, "request ids", len(ids), 2)

	given.RequestId = "order-17"
	_, err := client.PlaceCall(t.Context(), given)
	same(t, "error", err, nil)
	same(t, "given", came[*agenticv1.PlaceCallRequest](d)[2].GetRequestId(), "order-17")
}

func TestWhatWasNotDoneIsTriedAgainWithTheSameRequestID(t *testing.T) {
	d, client := started(t)
	d.faults = []error{fault(codes.Unavailable, "STORE_DOWN"), fault(codes.Unavailable, "")}
	_, err := client.PlaceCall(t.Context(), order())
	same(t, "error", err, nil)
	ids := map[string]bool{}
	sent := came[*agenticv1.PlaceCallRequest](d)
	for _, one := range sent {
		ids[one.GetRequestId()] = true
	}
	same(t, "sent", len(sent), 3)
	same(t, "request ids", len(ids), 1)
}

func TestWhatMayHaveBeenDoneIsNotTriedAgainAndTellsItsRequestID(t *testing.T) {
	for _, code := range []codes.Code{codes.Internal, codes.Unknown, codes.ResourceExhausted, codes.Aborted} {
		d, client := started(t)
		d.faults = []error{fault(code, "")}
		_, err := client.PlaceCall(t.Context(), order())
		var failure *Error
		if !errors.As(err, &failure) {
			t.Fatalf("%v: %v", code, err)
		}
		sent := came[*agenticv1.PlaceCallRequest](d)
		same(t, "sent", len(sent), 1)
		same(t, "code", failure.Code, code)
		same(t, "RequestID", failure.RequestID, sent[0].GetRequestId())
	}
}

func TestARequestRidesOverARestartOfADaemonThatHasAnswered(t *testing.T) {
	d, client := started(t)
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.server.Stop()
	answered := make(chan error)
	go func() {
		_, err := client.PlaceCall(t.Context(), order())
		answered <- err
	}()
	d.start(t)
	same(t, "error", <-answered, nil)
}

func TestWhereNobodyHasAnsweredYetARequestFailsAtOnce(t *testing.T) {
	client := connected(t, newDaemon(t).address, WithTimeout(time.Hour))
	_, err := client.PlaceCall(t.Context(), order())
	var failure *Error
	if !errors.Is(err, ErrUnreachable) || !errors.Is(err, ErrUnavailable) || !errors.As(err, &failure) {
		t.Fatal(err)
	}
	same(t, "tells its request_id", uuid4.MatchString(failure.RequestID), true)
	same(t, "reason", failure.Reason, "")
}

func TestADaemonThatHasAnsweredAndStaysAwayIsWaitedForUntilTheDeadline(t *testing.T) {
	for name, greet := range map[string]func(*testing.T, *daemon, *Client){
		"with OK": func(t *testing.T, _ *daemon, client *Client) {
			if _, err := client.Status(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"with a reason": func(t *testing.T, d *daemon, client *Client) {
			d.faults = []error{fault(codes.NotFound, "CALL_NOT_FOUND")}
			if _, err := client.GetCall(t.Context(), callID); !errors.Is(err, ErrCallNotFound) {
				t.Fatal(err)
			}
		},
		"on a stream": func(t *testing.T, d *daemon, client *Client) {
			d.script(frames(nil, opened(0), batch(1)))
			stream := client.Events(t.Context())
			defer stream.Close()
			if _, err := stream.Next(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, client := started(t, WithTimeout(2*time.Second)) // gRPC's own tries last less than one
			greet(t, d, client)
			d.server.Stop()
			if _, err := client.Status(t.Context()); !errors.Is(err, ErrDeadlineExceeded) {
				t.Error(err)
			}
		})
	}
}

func TestADaemonThatIsSilentExceedsTheDeadline(t *testing.T) {
	d, client := started(t, WithTimeout(50*time.Millisecond))
	d.silent = make(chan struct{})
	_, err := client.PlaceCall(t.Context(), order())
	var failure *Error
	if !errors.Is(err, ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &failure) {
		t.Fatal(err)
	}
	same(t, "tells its request_id", uuid4.MatchString(failure.RequestID), true)
}

func TestEveryRequestHasADeadlineAndAStreamHasNone(t *testing.T) {
	d, client := started(t)
	if _, err := client.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.script(frames(complete, opened(0)))
	bounded, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := client.Events(bounded, OfCalls(callID)).Next(); err == nil {
		t.Error("an event of nothing")
	}
	same(t, "of a request", d.requests[0].hasDeadline, true)
	same(t, "of a stream", d.requests[1].hasDeadline, false)
}

func TestAProgramMayCancelARequest(t *testing.T) {
	d, client := started(t)
	d.silent = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		d.hasHad(1)
		cancel()
	}()
	if _, err := client.Status(ctx); !errors.Is(err, ErrCanceled) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAClientThatIsClosedSaysSo(t *testing.T) {
	d, client := started(t)
	d.silent = make(chan struct{})
	waiting := client.Events(t.Context())
	ends := make(chan error, 2)
	go func() {
		_, err := waiting.Next()
		ends <- err
	}()
	go func() {
		_, err := client.Status(t.Context())
		ends <- err
	}()
	d.hasHad(2)
	client.Close()
	for range 2 {
		if err := <-ends; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := client.Status(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := client.Events(t.Context()).Next(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestTheOtherRequests(t *testing.T) {
	d, client := started(t)
	ended, err := client.HangUp(t.Context(), callID, "enough")
	same(t, "HangUp", err, nil)
	same(t, "its call", ended.GetCall().GetCallId(), callID)
	same(t, "its reason", came[*agenticv1.HangUpRequest](d)[0].GetReason(), "enough")
	shown, err := client.GetCall(t.Context(), callID)
	same(t, "GetCall", err, nil)
	same(t, "its call", shown.GetCall().GetCallId(), callID)
	said, err := client.Transcript(t.Context(), callID)
	same(t, "Transcript", err, nil)
	same(t, "its text", said.GetUtterances()[0].GetText(), "Hello.")
	status, err := client.Status(t.Context())
	same(t, "Status", err, nil)
	same(t, "its version", status.GetVersion(), "0.9.0")
	drained, err := client.Drain(t.Context())
	same(t, "Drain", err, nil)
	same(t, "its calls", drained.GetLiveCalls(), 3)
}

func TestAllCallsComePageByPage(t *testing.T) {
	d, client := started(t)
	d.calls = []string{"e", "d", "c", "b", "a"}
	var got []string
	wanted := &agenticv1.ListCallsRequest{Direction: agenticv1.Direction_DIRECTION_INBOUND}
	for call, err := range client.AllCalls(t.Context(), wanted) {
		same(t, "error", err, nil)
		got = append(got, call.GetCallId())
	}
	sameAll(t, "calls", got, d.calls)
	var tokens []string
	for _, asked := range came[*agenticv1.ListCallsRequest](d) {
		tokens = append(tokens, asked.GetPageToken())
		same(t, "direction", asked.GetDirection(), wanted.GetDirection())
		same(t, "page_size", asked.GetPageSize(), largestPage)
	}
	sameAll(t, "tokens", tokens, []string{"", "xx", "xxxx"})
	same(t, "the program's own request is left as it is", wanted.GetPageSize(), 0)

	for range client.AllCalls(t.Context(), nil) {
		break
	}
	same(t, "pages that were asked for in all", len(came[*agenticv1.ListCallsRequest](d)), 4)

	d.faults = []error{nil, fault(codes.NotFound, "CALL_NOT_FOUND")}
	calls := maps.Collect(client.AllCalls(t.Context(), nil))
	same(t, "on the first page, and the error", len(calls), 3)
	same(t, "the error", slices.ContainsFunc(slices.Collect(maps.Values(calls)), func(err error) bool {
		return errors.Is(err, ErrCallNotFound)
	}), true)
}
