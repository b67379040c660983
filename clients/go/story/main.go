// Story is the teller in Go: it does through the client what its standard input says, and writes what came of it, a
// line of JSON each. tests/clients/README.md has the rules.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/agenticd/agenticd/clients/go/agentic"
)

// An order is a line of standard input.
type order struct {
	ID        int64             `json:"id"`
	Do        string            `json:"do"`
	To        string            `json:"to"`
	RequestID string            `json:"request_id"`
	Agent     string            `json:"agent"`
	Greeting  *string           `json:"greeting"`
	Metadata  map[string]string `json:"metadata"`
	CallID    string            `json:"call_id"`
	Reason    string            `json:"reason"`
	PageSize  int32             `json:"page_size"`
	Name      string            `json:"name"`
	Cursor    string            `json:"cursor"`
	After     *int64            `json:"after"`
	CallIDs   []string          `json:"call_ids"`
	Types     []string          `json:"types"`
	Live      bool              `json:"live"`
	Most      int               `json:"most"`
	Revision  int64             `json:"revision"`
	Epoch     string            `json:"epoch"`
}

// A line is what is written: an object of JSON.
type line map[string]any

type teller struct {
	client  *agentic.Client
	out     sync.Mutex
	lines   *json.Encoder  // of os.Stdout
	orders  sync.WaitGroup // that are being carried out
	reading sync.WaitGroup // streams that are being told of
	streams sync.Map       // *followed by name
}

func (t *teller) say(what line) {
	t.out.Lock()
	defer t.out.Unlock()
	if err := t.lines.Encode(what); err != nil {
		fmt.Fprintf(os.Stderr, "story: %v\n", err)
		os.Exit(2)
	}
}

func (t *teller) answer(id int64, ok line, err error) {
	if err != nil {
		t.say(line{"id": id, "error": describe(err)})
	} else {
		t.say(line{"id": id, "ok": ok})
	}
}

func main() {
	address := flag.String("address", "", "of the daemon")
	token := flag.String("token", "", "of the daemon")
	ca := flag.String("ca", "", "PEM file to check the daemon by")
	cert := flag.String("cert", "", "PEM file with the client's certificate")
	key := flag.String("key", "", "PEM file with the client's key")
	timeout := flag.Float64("timeout", 0, "seconds that an answer may take")
	flag.Parse()

	options := []agentic.Option{agentic.WithDialOptions(grpc.WithUnaryInterceptor(noteRequestID))}
	if *token != "" {
		options = append(options, agentic.WithToken(*token))
	}
	if *ca != "" {
		options = append(options, agentic.WithCA(*ca))
	}
	if *cert != "" || *key != "" {
		options = append(options, agentic.WithCertificate(*cert, *key))
	}
	if *timeout != 0 {
		options = append(options, agentic.WithTimeout(time.Duration(*timeout*float64(time.Second))))
	}
	client, refusal := agentic.Connect(*address, options...)
	t := &teller{client: client, lines: json.NewEncoder(os.Stdout)}
	t.lines.SetEscapeHTML(false)

	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	for input.Scan() {
		var what order
		if err := json.Unmarshal(input.Bytes(), &what); err != nil {
			fmt.Fprintf(os.Stderr, "story: no order: %v\n", err)
			os.Exit(2)
		}
		if refusal != nil {
			t.answer(what.ID, nil, refusal)
			continue
		}
		t.carryOut(context.Background(), what)
	}
	if refusal == nil {
		t.orders.Wait()
		client.Close()
		t.reading.Wait()
	}
}
