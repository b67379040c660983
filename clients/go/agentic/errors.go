package agentic

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const domain = "agenticd"

// So gRPC begins to say that a message cannot be decoded; it has no code of its own for that.
const undecodable = "grpc: failed to unmarshal"

// What can go wrong, for errors.Is. A daemon that is newer than this client may answer with reasons that are not here:
// those have the kind of their code, if there is one, and their name in Error.Reason.
var (
	// ErrInvalidArgument: a field, an address or an option is missing or wrong. Error.Violations has each field.
	ErrInvalidArgument = kindOf("invalid argument", nil)
	// ErrRequestIDReused: the request_id was used within 24 hours with another request. Use a new one. It is an
	// ErrInvalidArgument.
	ErrRequestIDReused = kindOf("request id reused", ErrInvalidArgument)
	// ErrCallNotFound: no such call, or it was deleted by retention. Error.CallID names it.
	ErrCallNotFound = kindOf("call not found", nil)
	// ErrCallNotLive: the call has ended. Metadata "state" has its state.
	ErrCallNotLive = kindOf("call not live", nil)
	// ErrTooManyCalls: the daemon holds as many calls as it may, metadata "limit". Try again after Error.RetryAfter.
	ErrTooManyCalls = kindOf("too many calls", nil)
	// ErrUnavailable: it may be tried again. ErrDraining, ErrStoreDown and ErrUnreachable are of this kind.
	ErrUnavailable = kindOf("unavailable", nil)
	// ErrDraining: the daemon is stopping and takes no new work. It is an ErrUnavailable.
	ErrDraining = kindOf("draining", ErrUnavailable)
	// ErrStoreDown: the daemon's log cannot be written or read. Nothing was done. It is an ErrUnavailable.
	ErrStoreDown = kindOf("store down", ErrUnavailable)
	// ErrUnreachable: nobody answers at the address, or the connection broke behind the request: whether it was done is
	// then not known, and every request is safe to repeat, a PlaceCall with Error.RequestID. It is an ErrUnavailable.
	ErrUnreachable = kindOf("unreachable", ErrUnavailable)
	// ErrCursorInvalid: the cursor cannot be followed from. List the calls, then follow from that answer's epoch and
	// revision. ErrCursorCompacted and ErrLogReplaced are of this kind.
	ErrCursorInvalid = kindOf("cursor invalid", nil)
	// ErrCursorCompacted: the cursor lies before what the log keeps, metadata "first_revision". It is an
	// ErrCursorInvalid.
	ErrCursorCompacted = kindOf("cursor compacted", ErrCursorInvalid)
	// ErrLogReplaced: the cursor belongs to another log than the present one, metadata "epoch": the store was replaced
	// or restored. It is an ErrCursorInvalid.
	ErrLogReplaced = kindOf("log replaced", ErrCursorInvalid)
	// ErrConsumerStalled: the stream was not read for 30 s. A Stream does not return it: it asks again and loses
	// nothing.
	ErrConsumerStalled = kindOf("consumer stalled", nil)
	// ErrCarrierRejected: Twilio refused. Metadata "carrier_code" has its code.
	ErrCarrierRejected = kindOf("carrier rejected", nil)
	// ErrUnauthenticated: the address needs a token or a certificate, and none or a wrong one was shown.
	ErrUnauthenticated = kindOf("unauthenticated", nil)
	// ErrInternal: a defect of the daemon. Its log has the details under metadata "incident"; without a Reason what
	// it sent breaks the contract.
	ErrInternal = kindOf("internal", nil)
	// ErrDeadlineExceeded: no answer came in time; whether it was done is not known, and every request is safe to
	// repeat, a PlaceCall with Error.RequestID. It is a context.DeadlineExceeded.
	ErrDeadlineExceeded = kindOf("deadline exceeded", context.DeadlineExceeded)
	// ErrCanceled: the program cancelled the context. It is a context.Canceled.
	ErrCanceled = kindOf("canceled", context.Canceled)
	// ErrClosed: the client was closed.
	ErrClosed = kindOf("client closed", nil)
)

var kindsByReason = map[string]error{
	"INVALID_ARGUMENT":  ErrInvalidArgument,
	"REQUEST_ID_REUSED": ErrRequestIDReused,
	"CALL_NOT_FOUND":    ErrCallNotFound,
	"CALL_NOT_LIVE":     ErrCallNotLive,
	"TOO_MANY_CALLS":    ErrTooManyCalls,
	"DRAINING":          ErrDraining,
	"STORE_DOWN":        ErrStoreDown,
	"CURSOR_COMPACTED":  ErrCursorCompacted,
	"LOG_REPLACED":      ErrLogReplaced,
	"CONSUMER_STALLED":  ErrConsumerStalled,
	"CARRIER_REJECTED":  ErrCarrierRejected,
	"UNAUTHENTICATED":   ErrUnauthenticated,
	"INTERNAL":          ErrInternal,
}

var kindsByCode = map[codes.Code]error{
	codes.InvalidArgument:  ErrInvalidArgument,
	codes.Unavailable:      ErrUnavailable,
	codes.DeadlineExceeded: ErrDeadlineExceeded,
	codes.Unauthenticated:  ErrUnauthenticated,
}

// An Error is a request that was refused, or failed. Branch on its kind, with errors.Is, or on Reason; what is here
// beside them is for errors.As.
type Error struct {
	// Code is gRPC's, for example codes.NotFound.
	Code codes.Code
	// Reason is the name of an ErrorReason of the contract without its prefix, for example "CALL_NOT_FOUND". Empty when
	// it was not the daemon that answered.
	Reason string
	// Message is English, for a person, and may change.
	Message string
	// Metadata is what the daemon said beside the reason, numbers as text.
	Metadata map[string]string
	// Violations are the wrong fields of the request.
	Violations []Violation
	// RetryAfter is when to try again; 0 when the daemon did not say.
	RetryAfter time.Duration
	// CallID is the call that is not known, with ErrCallNotFound.
	CallID string
	// RequestID is that of a PlaceCall: sent again with it within 24 hours, the call is dialled once.
	RequestID string

	kind, cause error
}

// A Violation is a wrong field of a request: its path, and what would be right.
type Violation struct {
	Field, Description string
}

// Error returns the message, and the reason or the code.
func (e *Error) Error() string {
	name := e.Reason
	if name == "" {
		name = e.Code.String()
	}
	return fmt.Sprintf("agentic: %s (%s)", e.Message, name)
}

// Unwrap returns the error's kind, and what brought it about, where that is known.
func (e *Error) Unwrap() []error {
	var wrapped []error
	for _, err := range []error{e.kind, e.cause} {
		if err != nil {
			wrapped = append(wrapped, err)
		}
	}
	return wrapped
}

// MetadataInt returns a number of the metadata, such as "first_revision" or "limit", and 0 when it is not there.
func (e *Error) MetadataInt(key string) int64 {
	number, _ := strconv.ParseInt(e.Metadata[key], 10, 64)
	return number
}

// GRPCStatus lets status.Code and status.Convert read the error.
func (e *Error) GRPCStatus() *status.Status {
	return status.New(e.Code, e.Message)
}

type kind struct {
	text   string
	parent error
}

func kindOf(text string, parent error) error { return &kind{"agentic: " + text, parent} }

func (k *kind) Error() string { return k.text }

func (k *kind) Unwrap() error { return k.parent }

// fromRPC is the typed error for one of gRPC's. ctx is the program's: it tells its cancellation from a lost connection.
func fromRPC(ctx context.Context, failure error) *Error {
	found := status.Convert(failure)
	err := &Error{Code: found.Code(), Message: plain(found.Message())}
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				err.Reason, err.Metadata = detail.GetReason(), detail.GetMetadata()
			}
		case *errdetails.RetryInfo:
			err.RetryAfter = detail.GetRetryDelay().AsDuration()
		case *errdetails.ResourceInfo:
			err.CallID = detail.GetResourceName()
		case *errdetails.BadRequest:
			for _, wrong := range detail.GetFieldViolations() {
				err.Violations = append(err.Violations, Violation{wrong.GetField(), wrong.GetDescription()})
			}
		}
	}
	err.kind = kindFor(ctx, err)
	if err.Reason == "" && err.Code == codes.Internal && strings.HasPrefix(found.Message(), undecodable) {
		err.kind = ErrInternal
	}
	return err
}

// plain is the innermost of gRPC's descriptions: it wraps what a dialer says in up to three others.
func plain(message string) string {
	const mark = "desc = "
	if at := strings.LastIndex(message, mark); at >= 0 {
		message = message[at+len(mark):]
		if unquoted, err := strconv.Unquote(message); err == nil {
			message = unquoted
		}
	}
	if strings.HasPrefix(message, "error reading server preface") {
		message += "; perhaps TLS, or a certificate of the client's, is missing"
	}
	return message
}

func kindFor(ctx context.Context, err *Error) error {
	if known, ok := kindsByReason[err.Reason]; ok {
		return known
	}
	switch {
	case err.Code == codes.Unavailable && err.Reason == "":
		return ErrUnreachable
	case err.Code == codes.Canceled && errors.Is(ctx.Err(), context.Canceled):
		return ErrCanceled
	}
	return kindsByCode[err.Code]
}

// fromContext is the error for a context that is done.
func fromContext(ctx context.Context) *Error {
	err := &Error{Code: codes.Canceled, Message: "the context was cancelled", kind: ErrCanceled, cause: context.Cause(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err.Code, err.Message, err.kind = codes.DeadlineExceeded, "the context's deadline has passed", ErrDeadlineExceeded
	}
	return err
}

func closed() *Error {
	return &Error{Code: codes.Canceled, Message: "the client is closed", kind: ErrClosed}
}
