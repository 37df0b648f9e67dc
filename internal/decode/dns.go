// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// ErrGarbled is wrapped by errors about a packet that is no DNS message, or a broken
// one. The sample itself was sound: it is the peer that sends such things.
var ErrGarbled = errors.New("malformed DNS message")

// dns is the part of a Decoder that reads messages.
type dns struct {
	head    wire.DNS
	parser  parser
	streams streams
	// stream is the one that the sample under way belongs to, nil for a datagram.
	stream *stream
}

func newDNS() dns { return dns{parser: newParser(), streams: newStreams()} }

// dnsSample takes a packet to or from port 53. A datagram is one message; a segment
// may hold none, one or several, or end one: nil with no error means none.
func (d *Decoder) dnsSample(sample []byte) (event.Event, error) {
	head := &d.dns.head
	size := int(unsafe.Sizeof(*head))
	if len(sample) < size {
		return nil, fmt.Errorf("%w: %d bytes instead of %d", ErrMalformed, len(sample), size)
	}
	fill(head, sample)
	payload := sample[size:]
	if int(head.Captured) > len(payload) {
		return nil, fmt.Errorf("%w: %d bytes of payload instead of %d", ErrMalformed, len(payload), head.Captured)
	}
	payload = payload[:head.Captured]
	if head.Protocol != event.ProtocolTCP {
		d.dns.stream = nil
		return d.dnsMessage(payload, head.Length > uint32(head.Captured))
	}
	d.dns.stream = d.dns.streams.feed(head, payload)
	return d.Next()
}

// Next gives one more event of the sample that was decoded last, nil where there is
// none. Like Decode it may give an error, after which the sample is done.
func (d *Decoder) Next() (event.Event, error) {
	for s := d.dns.stream; s != nil; {
		message, cut, ok := s.step()
		if !ok {
			break
		}
		e, err := d.dnsMessage(message, cut)
		if err != nil { // the stream is not what it was taken for
			d.dns.stream = nil
			d.dns.streams.drop(&d.dns.head)
		}
		if e != nil || err != nil {
			return e, err
		}
	}
	d.dns.stream = nil
	return nil, nil
}

func (d *Decoder) dnsMessage(message []byte, cut bool) (event.Event, error) {
	w := &d.dns.head
	p := &d.dns.parser
	source := netip.AddrPortFrom(Addr(w.Source), w.SourcePort)
	destination := netip.AddrPortFrom(Addr(w.Destination), w.DestinationPort)
	if w.Out == 0 {
		p.answer = event.DNSAnswer{
			Header: head(&w.Header), Client: destination, Server: source, Protocol: w.Protocol,
			Addresses: p.answer.Addresses[:0], Aliases: p.answer.Aliases[:0], Cut: cut,
		}
		if known, err := p.readAnswer(message); err != nil || !known {
			return nil, err
		}
		return &p.answer, nil
	}
	p.query = event.DNSQuery{
		Header: head(&w.Header), Client: source, Server: destination, Protocol: w.Protocol,
		Owner: d.owner(&w.Owner),
	}
	if known, err := p.readQuery(message); err != nil || !known {
		return nil, err
	}
	return &p.query, nil
}

func (d *Decoder) dialSample(w *wire.Dial) *event.Dial {
	d.dial = event.Dial{
		Header:      head(&w.Header),
		Destination: netip.AddrPortFrom(Addr(w.Destination), w.Port),
		Protocol:    w.Protocol,
		Owner:       d.owner(&w.Owner),
		Count:       w.Count,
	}
	return &d.dial
}
