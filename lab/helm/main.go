// Command helm runs one operation of Helm's own library for the lab's
// Kubernetes provider: a request as JSON on standard input, an answer as JSON
// on standard output. Standard input stays open while the operation runs; when
// it is closed the operation is cancelled, so nothing outlives its caller.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
)

// How long a cancelled operation may take to write down what it has done.
const graceAfterCancel = 5 * time.Second

// Answer is what the program prints. Release is present whenever the release
// exists after the operation, also after a failed one.
type Answer struct {
	Release  *Release `json:"release,omitempty"`
	Manifest string   `json:"manifest,omitempty"`
	Error    *Failure `json:"error,omitempty"`
}

// Failure says what kind of error it is; the message is Helm's.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Codes of failures.
const (
	codeChart    = "chart"    // the chart cannot be had or loaded
	codeNotFound = "notFound" // no release of that name
	codeFailed   = "failed"   // the operation failed
	codeRequest  = "request"  // the request is not understood
)

type codedError struct {
	code string
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

func coded(code string, err error) error { return &codedError{code, err} }

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("helm library", libraryVersion())
		return
	}
	// Helm writes progress to standard output, which belongs to the answer.
	out := os.Stdout
	os.Stdout = os.Stderr

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	input := bufio.NewReader(os.Stdin)
	request, err := readRequest(input)
	if err == nil {
		go cancelOnClose(input, cancel)
	}
	var answer Answer
	if err == nil {
		answer, err = run(ctx, request)
	}
	if err != nil {
		code := codeFailed
		var known *codedError
		if errors.As(err, &known) {
			code = known.code
		}
		answer.Error = &Failure{Code: code, Message: err.Error()}
	}
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		os.Exit(1)
	}
}

func readRequest(input *bufio.Reader) (*Request, error) {
	line, err := input.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	request := new(Request)
	if err := json.Unmarshal(line, request); err != nil {
		return nil, coded(codeRequest, errors.New("the request is no JSON object on one line"))
	}
	return request, nil
}

func cancelOnClose(input io.Reader, cancel context.CancelFunc) {
	_, _ = io.Copy(io.Discard, input)
	cancel()
	// not every part of Helm looks at the context
	time.Sleep(graceAfterCancel)
	os.Exit(1)
}

func libraryVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, module := range info.Deps {
		if module.Path == "helm.sh/helm/v3" {
			return module.Version
		}
	}
	return "unknown"
}
