// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// filled sets every field that reflection can reach to something that is not zero,
// so that a field that gets lost on the way is seen.
func filled(v reflect.Value) {
	switch known := v.Addr().Interface().(type) {
	case *netip.Addr:
		*known = netip.MustParseAddr("10.1.2.3")
		return
	case *netip.AddrPort:
		*known = netip.MustParseAddrPort("10.1.2.3:80")
		return
	case *netip.Prefix:
		*known = netip.MustParsePrefix("10.1.2.0/24")
		return
	case *time.Time:
		*known = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			filled(v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			filled(v.Index(i))
		}
	case reflect.String:
		v.SetString("word")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	default:
		panic(fmt.Sprintf("a field of kind %s needs a filling", v.Kind()))
	}
}

func written(t *testing.T, redact *Redactor, events ...event.Event) string {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, Header{Kernel: "6.18", Quiet: Duration(30 * time.Second)}, redact)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestEveryKindComesBackAsItWasWritten(t *testing.T) {
	for _, e := range every() {
		filled(reflect.ValueOf(e).Elem())
		r, err := NewReader(strings.NewReader(written(t, nil, e)))
		if err != nil {
			t.Fatal(err)
		}
		back, err := r.Next()
		if err != nil {
			t.Fatalf("%s: %v", e.Kind(), err)
		}
		if !reflect.DeepEqual(e, back) {
			t.Errorf("wrote %+v, read %+v", e, back)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last event: %v", err)
		}
	}
}

func TestDamagedRecordingGivesWhatCameBefore(t *testing.T) {
	good := written(t, nil, &event.Tick{}, &event.Drop{Reason: "IP_RPFILTER"})
	cases := map[string]struct{ text, says string }{
		"cut":      {good[:len(good)-5], "line 3: cut in the middle of a line"},
		"long":     {good + strings.Repeat("x", 10<<20) + "\n", "line 4: line longer than"},
		"not JSON": {good + "{\n", "line 4: not an event"},
		"unknown":  {good + `{"kind":"magic","event":{}}` + "\n", `line 4: unknown kind of event "magic"`},
		"mistyped": {good + `{"kind":"tick","event":{"time":"x"}}` + "\n", "line 4: malformed tick"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Next(); err != nil {
				t.Errorf("the good event before the damage: %v", err)
			}
			for err == nil {
				_, err = r.Next()
			}
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %q, want %q", err, c.says)
			}
		})
	}
}

func TestStrangeFilesAreRefusedWithAWord(t *testing.T) {
	for text, says := range map[string]string{
		"":        "the file is empty",
		"hello\n": "not a recording",
		`{"trapbpf":"recording","format":2}` + "\n": "use a newer trapbpf",
		`{"other":1}` + "\n":                        "not a recording",
	} {
		_, err := NewReader(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: error %v, want %q", text, err, says)
		}
	}
}

// full is a disk that takes a few bytes.
type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(b), nil
}

func TestFullDiskIsAnErrorThatStays(t *testing.T) {
	w, err := NewWriter(&full{left: 5000}, Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		err = w.Write(&event.Drop{Reason: "IP_RPFILTER"})
	}
	if err == nil || w.Flush() == nil {
		t.Error("a full disk went unsaid")
	}
}

func FuzzReader(f *testing.F) {
	f.Add(`{"trapbpf":"recording","format":1,"quiet":"30s"}` + "\n" + `{"kind":"drop","event":{"time":1,"packet":{"source":"1.2.3.4:5"}}}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := NewReader(strings.NewReader(text))
		for err == nil {
			_, err = r.Next()
		}
	})
}
