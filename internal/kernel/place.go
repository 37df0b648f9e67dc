// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"io"
	"math"
	"slices"

	"github.com/trapbpf/trapbpf/internal/wire"
)

// placeSlots is the size of cfg_places in the drop program.
const placeSlots = 16

// place is code that drops packets: from where, and what they are, the reason follows
// on kernels that give none.
type place struct {
	what uint32
	// functions may hold that code: compilers put it into its callers at will.
	functions []string
	// reasons are those that the place can give, by the number that it gives.
	reasons map[uint32]string
}

func places() []place {
	return []place{
		{
			what:      wire.PlaceInput,
			functions: []string{"ip_rcv_finish_core", "ip_rcv_finish", "ip_list_rcv_finish", "ip_sublist_rcv"},
			reasons: map[uint32]string{
				wire.PlacedRPFilter:      "IP_RPFILTER",
				wire.PlacedLocalSource:   "IP_LOCAL_SOURCE",
				wire.PlacedInvalidSource: "IP_INVALID_SOURCE",
				wire.PlacedLocalnet:      "IP_LOCALNET",
			},
		},
		{
			what:      wire.PlaceForward,
			functions: []string{"ip_forward", "ip6_forward"},
			reasons:   map[uint32]string{wire.PlacedTooBig: "PKT_TOO_BIG"},
		},
		{
			what:      wire.PlaceFirewall,
			functions: []string{"nf_hook_slow", "nf_hook_slow_list"},
			reasons:   map[uint32]string{wire.PlacedFirewall: "NETFILTER_DROP"},
		},
	}
}

// locate lets places give what the kernel's own reasons do not. A reason that no place
// can give, as symbols are hidden, stays untold.
func (r *reasons) locate(open func() (io.ReadCloser, error)) {
	lacking := slices.DeleteFunc(places(), func(p place) bool {
		return !slices.ContainsFunc(r.untold, p.gives)
	})
	if len(lacking) == 0 {
		return
	}
	spans := findSpans(open, lacking)
	for n, s := range spans[:min(len(spans), placeSlots)] {
		r.places[n] = s
	}
	for _, p := range lacking {
		if slices.ContainsFunc(spans, func(s wire.Place) bool { return s.What == p.what }) {
			r.give(p)
		}
	}
}

func (p *place) gives(name string) bool {
	for _, given := range p.reasons {
		if given == name {
			return true
		}
	}
	return false
}

// give takes what a place tells of those reasons that the kernel does not tell itself.
func (r *reasons) give(p place) {
	for number, name := range p.reasons {
		at := slices.Index(r.untold, name)
		if at < 0 {
			continue
		}
		r.untold = slices.Delete(r.untold, at, at+1)
		r.placed = append(r.placed, name)
		r.names[number] = name
		r.wanted[number] = meaning(name)
	}
	slices.Sort(r.placed)
}

// findSpans finds where the places' functions lie in the kernel's symbols, with the parts
// that compilers make of one (".cold", ".isra.0"); none where the list is hidden. Each
// reaches up to the next symbol, wherever in the list that stands.
func findSpans(open func() (io.ReadCloser, error), places []place) (spans []wire.Place) {
	wanted := map[string]uint32{}
	for _, p := range places {
		for _, function := range p.functions {
			wanted[function] = p.what
		}
	}
	var code []uint64
	eachSymbol(open, func(at uint64, symbol []byte) {
		code = append(code, at)
		base, _, _ := bytes.Cut(symbol, []byte{'.'})
		if what, ok := wanted[string(base)]; ok {
			spans = append(spans, wire.Place{Low: at, High: math.MaxUint64, What: what})
		}
	})
	for i := range spans {
		for _, at := range code {
			if at > spans[i].Low && at < spans[i].High {
				spans[i].High = at
			}
		}
	}
	return spans
}
