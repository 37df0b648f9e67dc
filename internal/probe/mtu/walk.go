// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import "errors"

// Bounds of a walk.
const (
	walkHops = 30
	// walkTries is how often a hop that answers small packets is asked with large ones
	// before it counts as not getting them.
	walkTries = 3
	// walkDeaf is after how many hops in a row without any answer it is given up.
	walkDeaf = 3
)

// walk finds the last router that gets packets of a size that the path loses. A router
// at which the hops are used up says so (ICMP "time exceeded") in a small packet,
// before it looks whether the next link would take the large one.
func walk(l *line, small, large int) (last, next Hop, err error) {
	deaf := 0
	for ttl := 1; ttl <= walkHops && deaf < walkDeaf; ttl++ {
		near, far, err := hop(l, ttl, small, large)
		if errors.Is(err, errSpent) {
			return last, next, nil
		}
		if err != nil {
			return last, next, err
		}
		switch {
		case passes(far):
			last, deaf = Hop{ttl, far.by}, 0
		case passes(near):
			return last, Hop{ttl, near.by}, nil
		default:
			deaf++
		}
		if near.what == arrived || far.what == arrived {
			break
		}
	}
	return last, next, nil
}

func passes(o outcome) bool { return o.what == expired || o.what == arrived }

// hop asks one hop with a small and a large packet.
func hop(l *line, ttl, small, large int) (near, far outcome, err error) {
	for range walkTries {
		ends, err := l.fire(aim{small, ttl}, aim{large, ttl})
		if err != nil {
			return near, far, err
		}
		if passes(ends[0]) {
			near = ends[0]
		}
		if far = ends[1]; passes(far) || near.what == silent {
			return near, far, nil
		}
	}
	return near, far, nil
}
