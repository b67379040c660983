package agentic

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

func TestEveryReasonOfTheContractHasItsOwnKind(t *testing.T) {
	kinds := map[error]string{}
	for number, name := range agenticv1.ErrorReason_name {
		reason := strings.TrimPrefix(name, "ERROR_REASON_")
		if number == 0 {
			continue
		}
		err := fromRPC(t.Context(), fault(codes.Aborted, reason))
		if other, taken := kinds[err.kind]; err.kind == nil || taken {
			t.Errorf("%s has the kind of %q", reason, other)
		}
		kinds[err.kind] = reason
		same(t, "Reason", err.Reason, reason)
		same(t, "errors.Is", errors.Is(err, kindsByReason[reason]), true)
	}
	same(t, "reasons", len(kinds), len(kindsByReason))
}

func TestKindsAreOfKinds(t *testing.T) {
	for kind, parent := range map[error]error{
		ErrRequestIDReused:  ErrInvalidArgument,
		ErrDraining:         ErrUnavailable,
		ErrStoreDown:        ErrUnavailable,
		ErrUnreachable:      ErrUnavailable,
		ErrCursorCompacted:  ErrCursorInvalid,
		ErrLogReplaced:      ErrCursorInvalid,
		ErrDeadlineExceeded: context.DeadlineExceeded,
		ErrCanceled:         context.Canceled,
	} {
		same(t, kind.Error(), errors.Is(&Error{kind: kind}, parent), true)
		same(t, kind.Error()+", the other way", errors.Is(&Error{kind: parent}, kind), false)
	}
}

func TestWhatADaemonSaysIsThere(t *testing.T) {
	err := fromRPC(t.Context(), faultOf(codes.InvalidArgument,
		&errdetails.ErrorInfo{
			Reason: "INVALID_ARGUMENT", Domain: domain, Metadata: map[string]string{"limit": "7", "x": "y"},
		},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "to_address", Description: "must begin with +"}, {Field: "agent", Description: "is not known"},
		}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.ResourceInfo{ResourceType: "call", ResourceName: callID},
	))
	same(t, "Code", err.Code, codes.InvalidArgument)
	same(t, "Message", err.Message, "the daemon says no")
	same(t, "Error", err.Error(), "agentic: the daemon says no (INVALID_ARGUMENT)")
	same(t, "limit", err.MetadataInt("limit"), 7)
	same(t, "what is no number", err.MetadataInt("x"), 0)
	sameAll(t, "Violations", err.Violations, []Violation{
		{"to_address", "must begin with +"}, {"agent", "is not known"},
	})
	same(t, "RetryAfter", err.RetryAfter, 1500*time.Millisecond)
	same(t, "CallID", err.CallID, callID)
	same(t, "status.Code", status.Code(err), codes.InvalidArgument)
}

func TestWithoutAKnownReasonTheCodeMakesTheKind(t *testing.T) {
	foreign, err := status.New(codes.NotFound, "no").WithDetails(
		&errdetails.ErrorInfo{Reason: "CALL_NOT_FOUND", Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, row := range map[string]struct {
		ctx  context.Context
		err  error
		kind error
	}{
		"a newer daemon's, unavailable": {t.Context(), fault(codes.Unavailable, "NEW"), ErrUnavailable},
		"a newer daemon's, argument":    {t.Context(), fault(codes.InvalidArgument, "NEW"), ErrInvalidArgument},
		"a newer daemon's, other":       {t.Context(), fault(codes.DataLoss, "NEW"), nil},
		"nobody answers":                {t.Context(), status.Error(codes.Unavailable, ""), ErrUnreachable},
		"no answer in time":             {t.Context(), status.Error(codes.DeadlineExceeded, ""), ErrDeadlineExceeded},
		"a proxy wants credentials":     {t.Context(), status.Error(codes.Unauthenticated, ""), ErrUnauthenticated},
		"cancelled by the program":      {cancelled, status.Error(codes.Canceled, ""), ErrCanceled},
		"cancelled by somebody else":    {t.Context(), status.Error(codes.Canceled, ""), nil},
		"of another service":            {t.Context(), foreign.Err(), nil},
		"none of gRPC's":                {t.Context(), errors.New("what"), nil},
	} {
		same(t, name, fromRPC(row.ctx, row.err).kind, row.kind)
	}
}

func TestAMessageOfGRPCsIsUnwrapped(t *testing.T) {
	for message, want := range map[string]string{
		"no call 01": "no call 01",
		`max retries exhausted: failed after 4 attempts: rpc error: code = Unavailable desc = connection error: desc = ` +
			`"dialing: connection refused"`: "dialing: connection refused",
		"rpc error: code = Internal desc = unquoted": "unquoted",
		`connection error: desc = "error reading server preface: EOF"`: "error reading server preface: EOF;" +
			" perhaps TLS, or a certificate of the client's, is missing",
	} {
		same(t, message, plain(message), want)
	}
}
