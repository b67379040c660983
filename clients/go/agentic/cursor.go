package agentic

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
)

// A Cursor is a reader's place in the event log: the last revision that was read, and the log that it belongs to. Store
// it as text, and resume with After. The zero Cursor is the place before all events of whatever log there is.
type Cursor struct {
	Epoch    string
	Revision int64
}

var cursorForm = regexp.MustCompile(`^([^\s:]+):(0|[1-9][0-9]{0,18})$`)

// ParseCursor returns the cursor that String has written, "epoch:revision". The error is of the kind
// ErrInvalidArgument.
func ParseCursor(text string) (Cursor, error) {
	text = strings.TrimSpace(text)
	if match := cursorForm.FindStringSubmatch(text); match != nil {
		if revision, err := strconv.ParseInt(match[2], 10, 64); err == nil {
			return Cursor{Epoch: match[1], Revision: revision}, nil
		}
	}
	return Cursor{}, refused(nil, "a cursor is epoch:revision, for example 5f0c2a19d3b84e67:1042; not %q", text)
}

// String returns "epoch:revision", and "" for the zero Cursor.
func (c Cursor) String() string {
	if c == (Cursor{}) {
		return ""
	}
	return c.Epoch + ":" + strconv.FormatInt(c.Revision, 10)
}

// refused is an error of this client's own: what it was given cannot be right.
func refused(cause error, format string, args ...any) *Error {
	return &Error{
		Code: codes.InvalidArgument, Message: fmt.Sprintf(format, args...), kind: ErrInvalidArgument, cause: cause,
	}
}
