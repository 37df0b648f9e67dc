// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "net/netip"

// Hop is one next hop of a route with several: `nexthop via GATEWAY dev DEV weight N`.
type Hop struct {
	Gateway netip.Addr // invalid where the link itself is the way
	Dev     string
	// Weight is its share among the others', 1 to 256.
	Weight uint32
	OnLink bool
}

func (h Hop) words(six bool) []string {
	words := append([]string{"nexthop"}, via(h.Gateway, six)...)
	words = appendWord(words, "dev", h.Dev)
	words = appendNumber(words, "weight", h.Weight)
	if h.OnLink {
		words = append(words, "onlink")
	}
	return words
}

// via names the gateway's family where it isn't the route's own (RFC 8950).
func via(gateway netip.Addr, six bool) []string {
	if gateway.Is6() && !six {
		return []string{"via", "inet6", gateway.String()}
	}
	return appendAddr(nil, "via", gateway)
}

// hop reads what follows "nexthop", up to the next one.
func (a *arguments) hop() Hop {
	hop := Hop{Weight: 1}
	for a.more() && a.words[0] != "nexthop" {
		switch a.next() {
		case "via":
			hop.Gateway = a.gateway()
		case "dev":
			hop.Dev = a.next()
		case "weight":
			hop.Weight = a.number()
			a.bad = a.bad || hop.Weight == 0 || hop.Weight > maxWeight
		case "onlink":
			hop.OnLink = true
		default:
			a.bad = true
		}
	}
	a.bad = a.bad || !hop.Gateway.IsValid() && hop.Dev == ""
	return hop
}

// maxWeight is what one byte says, counted from 1 (struct rtnexthop).
const maxWeight = 256
