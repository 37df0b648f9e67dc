// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// ErrDamaged is wrapped by errors about a recording that ends in something that is
// no event: what came before it was handed out and can be used.
var ErrDamaged = errors.New("recording is damaged")

// Reader reads a recording. It is not safe for concurrent use.
type Reader struct {
	in     *bufio.Reader
	header Header
	number int // of the line last read
}

// NewReader reads the header from r.
func NewReader(r io.Reader) (*Reader, error) {
	t := &Reader{in: bufio.NewReaderSize(r, maxLine)}
	text, err := t.line()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("read recording: the file is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	if err := json.Unmarshal(text, &t.header); err != nil || t.header.Trapbpf != magic {
		return nil, errors.New("read recording: not a recording of trapbpf (make one with `trapbpf record FILE`)")
	}
	if t.header.Format > Format {
		return nil, fmt.Errorf("read recording: its format is %d and this trapbpf reads up to %d: use a newer trapbpf",
			t.header.Format, Format)
	}
	return t, nil
}

// Header gives the recording's header.
func (t *Reader) Header() Header { return t.header }

// Next gives the next event, the caller's to keep; io.EOF at the end.
func (t *Reader) Next() (event.Event, error) {
	text, err := t.line()
	if err != nil {
		return nil, err
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, t.damaged("not an event: %v", err)
	}
	e := blank(l.Kind)
	if e == nil {
		return nil, t.damaged("unknown kind of event %q", l.Kind)
	}
	if err := json.Unmarshal(l.Event, e); err != nil {
		return nil, t.damaged("malformed %s: %v", l.Kind, err)
	}
	return e, nil
}

// line gives the next line without its end. The last one must end too: a cut line
// may be a shorter number than the one that was written.
func (t *Reader) line() ([]byte, error) {
	t.number++
	text, err := t.in.ReadSlice('\n')
	switch {
	case err == nil:
		return bytes.TrimSuffix(text, []byte("\n")), nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, t.damaged("line longer than %d bytes", maxLine)
	case errors.Is(err, io.EOF) && len(text) == 0:
		return nil, io.EOF
	case errors.Is(err, io.EOF):
		return nil, t.damaged("cut in the middle of a line")
	default:
		return nil, err
	}
}

func (t *Reader) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrDamaged, t.number, fmt.Sprintf(format, args...))
}

// blank gives an empty event of a kind, nil for a kind that is not known.
func blank(k event.Kind) event.Event {
	for _, e := range every() {
		if e.Kind() == k {
			return e
		}
	}
	return nil
}

// every gives one empty event of each kind.
func every() []event.Event {
	return []event.Event{
		&event.Tick{}, &event.Drop{}, &event.PortFailure{}, &event.PortPressure{},
		&event.PortUse{}, &event.PortSettings{}, &event.Routing{}, &event.RouteBack{},
		&event.Process{}, &event.Namespace{}, &event.Host{}, &event.Hook{}, &event.Loss{},
		&event.Retransmit{}, &event.Connections{}, &event.TooBig{}, &event.Refusal{}, &event.Path{}, &event.PathProbe{},
		&event.DNSQuery{}, &event.DNSAnswer{}, &event.Dial{}, &event.Resolver{}, &event.Kept{},
		&event.Firewall{}, &event.Uplinks{},
	}
}
