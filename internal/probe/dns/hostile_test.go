// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// loop is an answer whose name points at itself.
func loop(packet []byte) []byte {
	answer := slices.Clone(packet[:12])
	answer[2], answer[3], answer[5], answer[7], answer[11] = 0x81, 0x80, 1, 1, 0
	answer = append(answer, packet[12:bytes.IndexByte(packet[12:], 0)+12+5]...)
	at := byte(len(answer))
	return append(answer, 0xc0, at, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 66)
}

func TestForgedAndGarbledPacketsAreNotTaken(t *testing.T) {
	s := newScene(t)
	var forger net.PacketConn
	s.netns.Do(s, func() (err error) {
		forger, err = net.ListenPacket("udp", "127.0.0.66:53")
		return err
	})
	s.Cleanup(func() { forger.Close() })
	var target net.Addr
	good := &book{zone: "example.test.", recursion: true, lines: []string{"app.example.test. 30 A 192.0.2.1"}}
	evil := &book{zone: "example.test.", recursion: true, lines: []string{"app.example.test. 30 A 192.0.2.66", "other.example.test. 30 A 192.0.2.66"}}
	var packets net.PacketConn
	s.netns.Do(s, func() (err error) {
		packets, err = net.ListenPacket("udp", "127.0.0.2:53")
		return err
	})
	s.Cleanup(func() { packets.Close() })
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			target = from
			_, _ = forger.WriteTo(evil.reply(buffer[:n]).pack(), target) // right id, wrong address
			wrong := evil.reply(buffer[:n])
			wrong.ID++
			other := evil.reply(buffer[:n])
			other.Questions[0].Name = dnsmessage.MustNewName("other.example.test.")
			query := slices.Clone(buffer[:n])
			for _, packet := range [][]byte{{}, []byte("hello"), wrong.pack(), other.pack(), query, loop(buffer[:n]), good.reply(buffer[:n]).pack()} {
				_, _ = packets.WriteTo(packet, from)
			}
		}
	}()
	row := s.row(s.probe("app.example.test", at(Resolver, "127.0.0.2")), "127.0.0.2")
	if !slices.Equal(row.Answers, []string{"192.0.2.1"}) || row.Strangers != 6 || row.Tries != 1 {
		t.Errorf("got %+v", row)
	}
}

func TestNothingButGarbageIsNoAnswer(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.0.2", func(packet []byte, _ bool, _ func([]byte)) []byte { return loop(packet) })
	s.cacheAt("127.0.0.3", "app.example.test. 30 A 192.0.2.1")
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"), at(Resolver, "127.0.0.3"))
	if row := s.row(r, "127.0.0.2"); row.Status != Failing || row.Error != "malformed answer" || row.Strangers == 0 {
		t.Errorf("got %+v", row)
	}
}

func TestFloodOfPacketsEnds(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.0.2", func(packet []byte, _ bool, send func([]byte)) []byte {
		for range 2 * maxStrangers {
			send([]byte("noise"))
		}
		return nil
	})
	s.cacheAt("127.0.0.3", "app.example.test. 30 A 192.0.2.1")
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"), at(Resolver, "127.0.0.3"))
	if row := s.row(r, "127.0.0.2"); row.RCode != "" || row.Strangers == 0 || row.Strangers > 2*maxStrangers {
		t.Errorf("got %+v", row)
	}
}

func TestAliasesThatGoInCirclesEnd(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.0.2", func(packet []byte, _ bool, _ func([]byte)) []byte {
		a := replyTo(packet)
		a.Answers = []dnsmessage.Resource{resource("app.example.test. 9 CNAME b.test."), resource("b.test. 9 CNAME app.example.test.")}
		return a.pack()
	})
	row := s.row(s.probe("app.example.test", at(Resolver, "127.0.0.2")), "127.0.0.2")
	if len(row.Answers) != 0 || len(row.Aliases) != maxAliases {
		t.Errorf("got %+v", row)
	}
}

func TestStrangeNamesAreEscaped(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.0.2", func(packet []byte, _ bool, _ func([]byte)) []byte {
		a := replyTo(packet)
		alias := dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: a.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 9, Type: dnsmessage.TypeCNAME},
			Body:   &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("\x1b[2J\r\nevil.test.")},
		}
		a.Answers = []dnsmessage.Resource{alias}
		return a.pack()
	})
	r := s.probe("app.example.test", at(Resolver, "127.0.0.2"))
	var shown strings.Builder
	if err := r.Print(&shown); err != nil {
		t.Fatal(err)
	}
	if row := s.row(r, "127.0.0.2"); !slices.Equal(row.Aliases, []string{`\027[2j\013\010evil.test`}) || strings.ContainsAny(shown.String(), "\x1b\r") {
		t.Errorf("got %+v, shown as %q", row, shown.String())
	}
}

// A zone whose servers are more than anybody needs costs a bounded number of questions.
func TestQuestionsAreBounded(t *testing.T) {
	s := newScene(t)
	s.listen("127.0.0.2", func(packet []byte, _ bool, _ func([]byte)) []byte {
		a := replyTo(packet)
		q := a.Questions[0]
		for i := range 60 {
			letter := string(rune('a'+i%26)) + string(rune('a'+i/26))
			switch q.Type {
			case dnsmessage.TypeNS:
				a.Answers = append(a.Answers, resource(q.Name.String()+" 9 NS "+letter+"."+strings.TrimPrefix(q.Name.String(), ".")))
			case dnsmessage.TypeA:
				a.Answers = append(a.Answers, resource(q.Name.String()+" 9 A 127.0.0.2"))
			default:
			}
		}
		return a.pack()
	})
	r := s.probe("a.b.c.d.e.f.g.h.i.j.k.l.example.test", at(Resolver, "127.0.0.2"))
	if r.Queries > maxQueries || len(r.Servers) > 1+maxAddresses {
		t.Errorf("%d questions, %d servers", r.Queries, len(r.Servers))
	}
}

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f })
}

func FuzzAnswer(f *testing.F) {
	asked := dnsmessage.Question{Name: dnsmessage.MustNewName("app.example.test."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{asked}}
	packet, err := query.Pack()
	if err != nil {
		f.Fatal(err)
	}
	b := &book{zone: "example.test.", lines: append(zoneLines("192.0.2.1"), "www.example.test. 3 CNAME app.example.test.")}
	f.Add(packet, "app.example.test", uint16(dnsmessage.TypeA))
	f.Add(b.reply(packet).pack(), "app.example.test", uint16(dnsmessage.TypeA))
	f.Add(loop(packet), "app.example.test", uint16(dnsmessage.TypeA))
	for _, line := range []string{"new.example.test.", "www.example.test.", "example.test."} {
		query.Questions[0].Name = dnsmessage.MustNewName(line)
		packed, err := query.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b.reply(packed).pack(), strings.TrimSuffix(line, "."), uint16(dnsmessage.TypeA))
	}
	f.Fuzz(func(t *testing.T, packet []byte, name string, kind uint16) {
		if len(packet) > maxDatagram {
			return
		}
		q := question{name: name, kind: dnsmessage.Type(kind)}
		m, err := q.read(packet, 7)
		if err != nil {
			return
		}
		r := &reply{asked: q, message: m}
		row := newRow(r, name)
		judged := newTruth([]*authority{{zone: ".", reply: r}}, nil).judge(r)
		referral(".", r)
		texts := append(append(append(row.Aliases, row.Answers...), judged.has...), row.RCode)
		if slices.ContainsFunc(texts, func(text string) bool { return !printable(text) }) || len(row.Aliases) > maxAliases {
			t.Errorf("row %+v", row)
		}
	})
}
