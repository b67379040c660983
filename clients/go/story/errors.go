package main

import (
	"errors"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/agenticd/agenticd/clients/go/agentic"
)

// What a program in Go tells errors apart by: the most special kinds first.
var kinds = []struct {
	name string
	kind error
}{
	{"ErrRequestIDReused", agentic.ErrRequestIDReused},
	{"ErrInvalidArgument", agentic.ErrInvalidArgument},
	{"ErrCallNotFound", agentic.ErrCallNotFound},
	{"ErrCallNotLive", agentic.ErrCallNotLive},
	{"ErrTooManyCalls", agentic.ErrTooManyCalls},
	{"ErrDraining", agentic.ErrDraining},
	{"ErrStoreDown", agentic.ErrStoreDown},
	{"ErrUnreachable", agentic.ErrUnreachable},
	{"ErrUnavailable", agentic.ErrUnavailable},
	{"ErrCursorCompacted", agentic.ErrCursorCompacted},
	{"ErrLogReplaced", agentic.ErrLogReplaced},
	{"ErrConsumerStalled", agentic.ErrConsumerStalled},
	{"ErrCarrierRejected", agentic.ErrCarrierRejected},
	{"ErrUnauthenticated", agentic.ErrUnauthenticated},
	{"ErrInternal", agentic.ErrInternal},
	{"ErrDeadlineExceeded", agentic.ErrDeadlineExceeded},
	{"ErrCanceled", agentic.ErrCanceled},
	{"ErrClosed", agentic.ErrClosed},
}

// describe is an error of the client as the story tells it.
func describe(err error) line {
	var failure *agentic.Error
	if !errors.As(err, &failure) {
		failure = &agentic.Error{Code: codes.Unknown, Message: err.Error()}
	}
	name := "Error"
	for _, known := range kinds {
		if errors.Is(err, known.kind) {
			name = known.name
			break
		}
	}
	metadata, violations := map[string]string{}, []line{}
	for key, value := range failure.Metadata {
		metadata[key] = value
	}
	for _, wrong := range failure.Violations {
		violations = append(violations, line{"field": wrong.Field, "description": wrong.Description})
	}
	return line{
		"type": name, "code": code.Code(failure.Code).String(), "reason": failure.Reason, "message": failure.Message,
		"metadata": metadata, "violations": violations, "retry_after": failure.RetryAfter.Seconds(),
		"request_id": failure.RequestID,
	}
}
