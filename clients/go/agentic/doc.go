// Package agentic is the Go client of agenticd, the daemon that puts an AI voice agent on a phone line.
//
//	client, err := agentic.Connect("")
//	...
//	placed, err := client.PlaceCall(ctx, &agenticv1.PlaceCallRequest{ToAddress: "+15550001111"})
//	...
//	for event, err := range client.Follow(ctx, placed).Events() {
//		...
//	}
//
// Requests, answers and events are the messages of the contract, package agenticv1, whose comments give every field,
// unit, limit and error. Every error of this package is an *Error, of a kind that errors.Is tells: ErrCallNotFound,
// ErrUnavailable and so on.
package agentic
