// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"errors"
	"os"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/stream"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// calls notes each Write.
type calls []string

func (c *calls) Write(p []byte) (int, error) {
	*c = append(*c, string(p))
	return len(p), nil
}

func TestEachRecordIsOneWrite(t *testing.T) {
	var out calls
	s := stream.New("stdout", &out, ecs.Encoder{})
	for _, action := range []finding.Action{finding.Opened, finding.Closed} {
		if err := s.Write(sample.RPFilter(action)); err != nil {
			t.Fatal(err)
		}
	}
	if len(out) != 2 {
		t.Fatalf("2 records made %d writes", len(out))
	}
	for i, text := range out {
		if want, _ := (ecs.Encoder{}).Append(nil, sample.RPFilter([]finding.Action{finding.Opened, finding.Closed}[i])); text != string(want) {
			t.Errorf("write %d is %q", i, text)
		}
	}
}

type broken struct{}

var errEncode = errors.New("no such word")

func (broken) Append(dst []byte, _ *finding.Record) ([]byte, error) { return dst, errEncode }

func TestRecordThatDoesNotEncodeIsNotWritten(t *testing.T) {
	var out calls
	err := stream.New("stdout", &out, broken{}).Write(sample.BindPool())
	if !errors.Is(err, errEncode) || len(out) != 0 {
		t.Errorf("got %v and %d writes", err, len(out))
	}
}

func TestPipeWithoutReaderIsBroken(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := stream.New("stdout", w, ecs.Encoder{}).Write(sample.BindPool()); !sink.Broken(err) {
		t.Errorf("got %v", err)
	}
}
