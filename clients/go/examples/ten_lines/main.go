// Ten_lines places a call and prints all of it, through restarts of the daemon: go run ./examples/ten_lines
// +15550002222
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/agenticd/agenticd/clients/go/agentic"
	agenticv1 "github.com/agenticd/agenticd/clients/go/agentic/v1"
)

func main() {
	ctx := context.Background()
	client, err := agentic.Connect("")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	placed, err := client.PlaceCall(ctx, &agenticv1.PlaceCallRequest{ToAddress: os.Args[1]})
	if err != nil {
		log.Fatal(err)
	}
	for event, err := range client.Follow(ctx, placed).Events() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.GetCallSequence(), agentic.Kind(event), event.GetTranscriptFinal().GetText())
	}
}
