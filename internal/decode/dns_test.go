// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func answerHead() wire.DNS {
	return wire.DNS{
		Header: header(wire.KindDNS), Source: on("10.4.5.6"), Destination: on("10.1.2.3"),
		SourcePort: 53, DestinationPort: 40000, Protocol: event.ProtocolUDP,
	}
}

func queryHead() wire.DNS {
	return wire.DNS{
		Header: header(wire.KindDNS), Owner: owner(), Source: on("10.1.2.3"), Destination: on("10.4.5.6"),
		SourcePort: 40000, DestinationPort: 53, Protocol: event.ProtocolUDP, Out: 1,
	}
}

// packet gives a sample with a payload behind it, and room that nobody wrote.
func packetOf(head wire.DNS, payload []byte) []byte {
	head.Captured, head.Length = uint16(len(payload)), max(head.Length, uint32(len(payload)))
	return append(append(raw(head), payload...), 0xee, 0xee, 0xee)
}

func pack(t testing.TB, m dnsmessage.Message) []byte {
	t.Helper()
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func asks(name string, kind dnsmessage.Type) dnsmessage.Message {
	return dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
}

func answers(name string, kind dnsmessage.Type, records ...dnsmessage.Resource) dnsmessage.Message {
	m := asks(name, kind)
	m.Response = true
	m.Answers = records
	return m
}

func record(name string, ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   body,
	}
}

func a(last byte) *dnsmessage.AResource { return &dnsmessage.AResource{A: [4]byte{192, 0, 2, last}} }

func decoded[E event.Event](t *testing.T, sample []byte) E {
	t.Helper()
	e, err := New(Names{}).Decode(sample)
	if err != nil {
		t.Fatal(err)
	}
	return e.(E)
}

func TestQuestionKeepsWhoAskedWhat(t *testing.T) {
	q := decoded[*event.DNSQuery](t, packetOf(queryHead(), pack(t, asks("WwW.Example.ORG.", dnsmessage.TypeAAAA))))
	want := event.DNSQuery{
		Header: event.Header{Time: 123456789, Netns: 4026531840},
		Client: netip.MustParseAddrPort("10.1.2.3:40000"), Server: netip.MustParseAddrPort("10.4.5.6:53"),
		Protocol: event.ProtocolUDP, ID: 77, Name: "www.example.org", Type: "AAAA", Recursive: true,
		Owner: event.Owner{PID: 4242, Comm: "curl", Cgroup: 77},
	}
	if *q != want {
		t.Errorf("got %+v, want %+v", *q, want)
	}
}

func TestAnswerFollowsAliasesAndTakesTheSmallestTTL(t *testing.T) {
	m := answers("www.example.org.", dnsmessage.TypeA,
		record("www.example.org.", 300, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("edge.CDN.example.")}),
		record("edge.cdn.example.", 20, a(1)), record("edge.cdn.example.", 30, a(2)))
	m.Authoritative = true
	got := decoded[*event.DNSAnswer](t, packetOf(answerHead(), pack(t, m)))
	if got.TTL != 20 || got.Records != 2 || !slices.Equal(got.Aliases, []string{"edge.cdn.example"}) || !got.Authoritative ||
		!slices.Equal(got.Addresses, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}) {
		t.Errorf("got %+v", *got)
	}
	if got.Client != netip.MustParseAddrPort("10.1.2.3:40000") || got.Server != netip.MustParseAddrPort("10.4.5.6:53") || got.RCode != "NOERROR" {
		t.Errorf("got %+v", *got)
	}
}

func TestDenialTellsHowLongItHolds(t *testing.T) {
	name := dnsmessage.MustNewName("example.org.")
	m := answers("nope.example.org.", dnsmessage.TypeA)
	m.RCode = dnsmessage.RCodeNameError
	m.Authorities = []dnsmessage.Resource{record("example.org.", 40, &dnsmessage.SOAResource{NS: name, MBox: name, MinTTL: 300})}
	got := decoded[*event.DNSAnswer](t, packetOf(answerHead(), pack(t, m)))
	if got.RCode != "NXDOMAIN" || got.NegativeTTL != 40 || got.TTL != 0 {
		t.Errorf("got %+v", *got)
	}
}

func TestResponseCodeHasTheUpperBitsOfEDNS0(t *testing.T) {
	m := answers("example.org.", dnsmessage.TypeA)
	opt := dnsmessage.Resource{Body: &dnsmessage.OPTResource{}}
	if err := opt.Header.SetEDNS0(1232, dnsmessage.RCode(16), false); err != nil {
		t.Fatal(err)
	}
	m.Additionals = []dnsmessage.Resource{opt}
	if got := decoded[*event.DNSAnswer](t, packetOf(answerHead(), pack(t, m))); got.RCode != "BADVERS" {
		t.Errorf("got %+v", *got)
	}
}

func TestServiceBindingsBringTheirAddressHints(t *testing.T) {
	https := &dnsmessage.HTTPSResource{SVCBResource: dnsmessage.SVCBResource{Priority: 1, Target: dnsmessage.MustNewName(".")}}
	https.SetParam(dnsmessage.SVCParamIPv4Hint, []byte{192, 0, 2, 7, 192, 0, 2, 8})
	https.SetParam(dnsmessage.SVCParamIPv6Hint, netip.MustParseAddr("2001:db8::7").AsSlice())
	got := decoded[*event.DNSAnswer](t, packetOf(answerHead(), pack(t, answers("example.org.", dnsmessage.TypeHTTPS, record("example.org.", 60, https)))))
	want := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("2001:db8::7")}
	if got.Type != "HTTPS" || got.Records != 1 || !slices.Equal(got.Addresses, want) {
		t.Errorf("got %+v", *got)
	}
}

func TestOtherRecordsAreCountedNotKept(t *testing.T) {
	srv := &dnsmessage.SRVResource{Target: dnsmessage.MustNewName("secret.example."), Port: 1}
	got := decoded[*event.DNSAnswer](t, packetOf(answerHead(), pack(t, answers("_x._tcp.example.org.", dnsmessage.TypeSRV, record("_x._tcp.example.org.", 60, srv)))))
	if got.Type != "SRV" || got.Records != 1 || got.TTL != 60 || len(got.Aliases) != 0 || len(got.Addresses) != 0 {
		t.Errorf("got %+v", *got)
	}
}

func TestNamesAreEscapedForTerminals(t *testing.T) {
	for given, want := range map[string]string{
		"a b.":                 `a\032b`,
		"\x1b[31mred\x07.":     `\027[31mred\007`,
		`back\slash.`:          `back\092slash`,
		"caf\xc3\xa9.":         `caf\195\169`,
		"UPPER.":               "upper",
		".":                    ".",
		"x\n\r\t\x00.example.": `x\010\013\009\000.example`,
	} {
		got := decoded[*event.DNSQuery](t, packetOf(queryHead(), pack(t, asks(given, dnsmessage.TypeA))))
		if got.Name != want {
			t.Errorf("%q is told as %q, want %q", given, got.Name, want)
		}
	}
}

func TestCutMessageKeepsWhatThereIs(t *testing.T) {
	var many []dnsmessage.Resource
	for i := range 50 {
		many = append(many, record("example.org.", 60, a(byte(i))))
	}
	whole := pack(t, answers("example.org.", dnsmessage.TypeA, many...))
	head := answerHead()
	head.Length = uint32(len(whole))
	got := decoded[*event.DNSAnswer](t, packetOf(head, whole[:200]))
	if !got.Cut || got.Records < 5 || len(got.Addresses) != int(got.Records) {
		t.Errorf("got %+v", *got)
	}
}

func TestBrokenMessagesAreGarbledNotMalformedSamples(t *testing.T) {
	question := pack(t, asks("example.org.", dnsmessage.TypeA))
	two := asks("example.org.", dnsmessage.TypeA)
	two.Questions = append(two.Questions, two.Questions[0])
	loop := append(slices.Clone(question[:12]), 0xc0, 12, 0, 1, 0, 1)
	for what, payload := range map[string][]byte{
		"too short": question[:11], "no question": question[:12], "wrong way": pack(t, answers("example.org.", dnsmessage.TypeA)),
		"two questions": pack(t, two), "a pointer to itself": loop,
	} {
		e, err := New(Names{}).Decode(packetOf(queryHead(), payload))
		if !errors.Is(err, ErrGarbled) || errors.Is(err, ErrMalformed) || e != nil {
			t.Errorf("%s: %v, %v", what, e, err)
		}
	}
	for _, sample := range [][]byte{raw(queryHead())[:90], append(raw(queryHead()), 1)} {
		sample[16+32+32+8] = 200 // captured
		if _, err := New(Names{}).Decode(sample); !errors.Is(err, ErrMalformed) {
			t.Errorf("a sample of %d bytes: %v", len(sample), err)
		}
	}
}

func TestUpdatesAndNotificationsAreLeftAlone(t *testing.T) {
	m := asks("example.org.", dnsmessage.TypeSOA)
	m.OpCode = 5
	if e, err := New(Names{}).Decode(packetOf(queryHead(), pack(t, m))); e != nil || err != nil {
		t.Errorf("%v, %v", e, err)
	}
}

func TestNamesAreBounded(t *testing.T) {
	d := New(Names{})
	for i := range 3 * maxLabels {
		name := strings.Repeat(string(rune('a'+i%26)), 1+i%60) + "." + strings.Repeat("b", 1+i/26%60) + "." + strings.Repeat("c", 1+i/1560%60) + "."
		if _, err := d.Decode(packetOf(queryHead(), pack(t, asks(name, dnsmessage.TypeA)))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.dns.parser.names.known); n > maxLabels {
		t.Errorf("%d names are kept", n)
	}
}

func TestKnownNamesDecodeWithoutAllocating(t *testing.T) {
	d := New(Names{})
	question := packetOf(queryHead(), pack(t, asks("www.example.org.", dnsmessage.TypeA)))
	answer := packetOf(answerHead(), numbered(t, 1, 4))
	for what, sample := range map[string][]byte{"question": question, "answer": answer} {
		allocated := testing.AllocsPerRun(100, func() {
			if _, err := d.Decode(sample); err != nil {
				t.Fatal(err)
			}
		})
		if allocated > 0 {
			t.Errorf("%s: %v allocations", what, allocated)
		}
	}
}

func TestDialIsDecoded(t *testing.T) {
	got := decoded[*event.Dial](t, raw(wire.Dial{
		Header: header(wire.KindDial), Owner: owner(), Count: 3, Destination: on("2001:db8::1"), Port: 443, Protocol: 6,
	}))
	if got.Destination != netip.MustParseAddrPort("[2001:db8::1]:443") || got.Count != 3 || got.Owner.Comm != "curl" || got.Protocol != 6 {
		t.Errorf("got %+v", *got)
	}
}

func BenchmarkDNSAnswer(b *testing.B) {
	d := New(Names{})
	sample := packetOf(answerHead(), numbered(b, 1, 2))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(sample); err != nil {
			b.Fatal(err)
		}
	}
}
