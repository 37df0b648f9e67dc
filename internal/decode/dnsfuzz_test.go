// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// printable tells whether a name can be shown as it is.
func printable(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func FuzzDNSMessage(f *testing.F) {
	f.Add(pack(f, asks("www.example.org.", dnsmessage.TypeA)), true)
	f.Add(numbered(f, 1, 40), false)
	name := dnsmessage.MustNewName("example.org.")
	f.Add(pack(f, answers("a.example.org.", dnsmessage.TypeA,
		record("a.example.org.", 1<<31, &dnsmessage.CNAMEResource{CNAME: name}), record("example.org.", 5, a(1)))), false)
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"), true)
	f.Add([]byte("\x00\x01\x81\x80\x00\x01\xff\xff\xff\xff\xff\xff\x01\x1b\x00\x00\x01\x00\x01\xc0\x0c"), false)
	f.Fuzz(func(t *testing.T, payload []byte, out bool) {
		if len(payload) > maxMessage {
			return
		}
		head := answerHead()
		if out {
			head = queryHead()
		}
		e, err := New(Names{}).Decode(packetOf(head, payload))
		if err != nil && !errors.Is(err, ErrGarbled) {
			t.Fatal(err)
		}
		switch e := e.(type) {
		case *event.DNSQuery:
			if !printable(e.Name) || err != nil {
				t.Errorf("question %+v, %v", *e, err)
			}
		case *event.DNSAnswer:
			if !printable(e.Name) || slices.ContainsFunc(e.Aliases, func(n string) bool { return !printable(n) }) ||
				len(e.Addresses) > event.DNSAddresses || len(e.Aliases) > event.DNSAliases || e.TTL >= 1<<31 {
				t.Errorf("answer %+v", *e)
			}
		}
	})
}

func FuzzDNSStream(f *testing.F) {
	f.Add(prefixed(numbered(f, 1, 3), numbered(f, 2, 1)), uint16(5), uint32(1))
	f.Add(prefixed(numbered(f, 1, 300)), uint16(1448), uint32(1<<32-1))
	f.Add(prefixed(numbered(f, 1, 30), numbered(f, 2, 30)), uint16(300), uint32(1))
	f.Add([]byte{0, 0, 0, 0, 0, 1, 2, 0xff, 0xff}, uint16(1), uint32(0))
	f.Fuzz(func(t *testing.T, stream []byte, size uint16, first uint32) {
		if len(stream) > 4*maxMessage || size == 0 {
			return
		}
		d := New(Names{})
		head := answerHead()
		head.Protocol = event.ProtocolTCP
		var samples [][]byte
		for segment := range slices.Chunk(stream, int(min(size, maxMessage))) {
			head.Sequence, head.Length = first, uint32(len(segment))
			first += uint32(len(segment))
			samples = append(samples, packetOf(head, segment))
		}
		if size%3 == 0 { // out of order
			slices.Reverse(samples)
		}
		for _, sample := range samples {
			for e, err := d.Decode(sample); e != nil || err != nil; e, err = d.Next() {
				if err != nil && !errors.Is(err, ErrGarbled) {
					t.Fatal(err)
				}
				if err != nil {
					break
				}
			}
		}
		for _, s := range d.dns.streams.known {
			if len(s.buffer) > maxMessage || len(s.ahead) > maxAhead {
				t.Errorf("stream %+v", s)
			}
		}
	})
}
