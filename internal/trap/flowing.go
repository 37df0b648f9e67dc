// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"
	"time"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// Flowing says what proved that a path carries data again, "" where nothing did
// since. A connection that is gone proves nothing by itself.
func Flowing(path *flow.Path, since event.Time) string {
	peer := path.Key.Peer
	for s := range path.Stalls.All {
		switch {
		case s.Ended < since || s.Ended == 0:
		case s.EndSize == 0:
			if reason := overtaken(path, s); reason != "" {
				return reason
			}
			if reason := held(path, s); reason != "" {
				return reason
			}
		case s.EndSize >= s.Size:
			return fmt.Sprintf("packets of %d bytes get through to %s again", s.EndSize, peer)
		case s.Last.Connection.Probing:
			return fmt.Sprintf("tcp_mtu_probing got the packets down to %d bytes, and they get through", s.EndSize)
		default:
			return fmt.Sprintf("packets to %s shrank from %d to %d bytes, and they get through", peer, s.Size, s.EndSize)
		}
	}
	return ""
}

// overtaken: the connection gave up, and a later one does what it could not.
func overtaken(path *flow.Path, s *flow.Stall) string {
	limit := ownLimit(path)
	switch {
	case path.Fresh.At <= s.Ended:
		return ""
	case path.Fresh.Size >= s.Size:
		return fmt.Sprintf("packets of %d bytes get through to %s again", path.Fresh.Size, path.Key.Peer)
	case limit != 0 && limit < s.Size && path.Fresh.Size >= limit:
		return fmt.Sprintf("packets to %s are held to %d bytes now, and they get through", path.Key.Peer, limit)
	default:
		return ""
	}
}

// heldFor is how long after the last stuck connection a smaller limit must have held
// for the want of new ones to count: the second time-out of a segment, which is what
// is told, comes after 0.6 s, or three round trips where those are long.
const heldFor = 3 * time.Second

// held: the connection gave up, this host sends nothing as large any more, and nothing
// got stuck since. Short connections are over before a sweep could meet them.
func held(path *flow.Path, s *flow.Stall) string {
	if Waiting(path) {
		return ""
	}
	return Held(path, s.Size, s.Ended)
}

// Held says that this host sends nothing of a size by the path any more, as its own
// limit has been smaller for a while since, "" where that is not so.
func Held(path *flow.Path, size uint32, since event.Time) string {
	limit := ownLimit(path)
	if limit == 0 || limit >= size || path.Facts.Time.Sub(since) < heldFor {
		return ""
	}
	return fmt.Sprintf("packets to %s are held to %d bytes now, and nothing got stuck since", path.Key.Peer, limit)
}

// ownLimit is the largest packet that this host itself sends by the path, 0 if unknown.
func ownLimit(path *flow.Path) uint32 {
	f := path.Facts
	if f == nil {
		return 0
	}
	least := f.Link.MTU
	for _, mtu := range []uint32{f.Route.MTU, f.Learned} {
		if mtu != 0 && mtu < least {
			least = mtu
		}
	}
	return least
}

// Waiting tells whether a connection of the path is stuck at this moment.
func Waiting(path *flow.Path) bool {
	for s := range path.Stalls.All {
		if s.Ended == 0 {
			return true
		}
	}
	return false
}
