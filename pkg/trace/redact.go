// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Redactor replaces addresses, names or both so that a recording can be handed on.
// One run maps the same input to the same output everywhere, and addresses that
// share a prefix share one afterwards, so that routes still cover their hosts and
// a replay comes to the same conclusions.
//
// Addresses that mean something by themselves stay: loopback, unspecified,
// broadcast, multicast, link-local. So do an IPv4 address's first byte and an IPv6
// address's first two.
type Redactor struct {
	key              []byte
	Addresses, Names bool
}

// NewRedactor gives a redactor with a secret key. Who knows the key can test
// guesses of what was replaced: draw it, and forget it.
func NewRedactor(key []byte, addresses, names bool) *Redactor {
	return &Redactor{key: key, Addresses: addresses, Names: names}
}

func (r *Redactor) what() []string {
	var what []string
	if r.Addresses {
		what = append(what, "addresses")
	}
	if r.Names {
		what = append(what, "names")
	}
	return what
}

// addr maps an address, keeping shared prefixes shared: bit n is flipped by a
// keyed hash of the n bits before it (Xu, Fan, Ammar, Moon: Prefix-Preserving IP
// Address Anonymization, 2002).
func (r *Redactor) addr(a netip.Addr) netip.Addr {
	if !r.Addresses || !a.IsValid() || keepsMeaning(a) {
		return a
	}
	bytes, kept := a.AsSlice(), 8
	if a.Is6() {
		kept = 16
	}
	out := append([]byte(nil), bytes...)
	for bit := kept; bit < 8*len(bytes); bit++ {
		out[bit/8] ^= r.flip(bytes, bit) << (7 - bit%8)
	}
	mapped, _ := netip.AddrFromSlice(out)
	return mapped
}

// flip gives one keyed bit for the first n bits of an address.
func (r *Redactor) flip(bytes []byte, n int) byte {
	prefix := append([]byte{byte(len(bytes)), byte(n)}, bytes[:(n+7)/8]...)
	if n%8 != 0 {
		prefix[len(prefix)-1] &= 0xff << (8 - n%8)
	}
	mac := hmac.New(sha256.New, r.key)
	mac.Write(prefix)
	return mac.Sum(nil)[0] & 1
}

func keepsMeaning(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() ||
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func (r *Redactor) addrPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(r.addr(a.Addr()), a.Port())
}

func (r *Redactor) prefix(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return p
	}
	return netip.PrefixFrom(r.addr(p.Addr()), p.Bits())
}

func (r *Redactor) mac(m event.MAC) event.MAC {
	if !r.Addresses || m.IsZero() {
		return m
	}
	sum := r.sum(string(m[:]))
	const local = 0x02 // locally administered, not a group
	return event.MAC{local, sum[0], sum[1], sum[2], sum[3], sum[4]}
}

func (r *Redactor) name(kind, name string) string {
	if !r.Names || name == "" {
		return name
	}
	return kind + "-" + hex.EncodeToString(r.sum(name)[:4])
}

func (r *Redactor) sum(text string) []byte {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// text maps every address and prefix among the words of a route or rule.
func (r *Redactor) text(text string) string {
	words := strings.Split(text, " ")
	for i, word := range words {
		if a, err := netip.ParseAddr(word); err == nil {
			words[i] = r.addr(a).String()
		} else if p, err := netip.ParsePrefix(word); err == nil {
			words[i] = fmt.Sprint(r.prefix(p).Masked())
		}
	}
	return strings.Join(words, " ")
}
