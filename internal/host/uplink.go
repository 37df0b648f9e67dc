// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// errAllAnswered tells that no SYN was sent again since the last look, so that there is
// nothing to look at; errRanked that nothing is unanswered by a route that has rivals.
var (
	errAllAnswered = errors.New("no SYN was sent again")
	errRanked      = errors.New("no SYN waits that went by default routes without rank")
)

// waiting is what was last seen of a namespace's unanswered SYNs.
type waiting struct {
	resent uint64 // the kernel's counters
	some   bool   // the last look found some
	told   bool   // and they were told
	ranked event.Time
}

const (
	// maxWaitings bounds Host.waits; beyond it every look is one at the sockets.
	maxWaitings = 4096
	// rankedFor is how long default routes that were ranked are taken to stay so: a
	// router may have a million routes to read for it.
	rankedFor = 10 * time.Second
)

// uplinks answers how handshakes fare by default routes that nothing ranks. Where the
// namespace's own counters show that no SYN was sent again, a look costs the reading of
// one file.
func (h *Host) uplinks(at Target, w event.Want) (event.Event, error) {
	last, known := h.waited(at.Inode)
	next := waiting{ranked: last.ranked}
	answer := &event.Uplinks{}
	err := h.inside(at, func() (err error) {
		if next.resent, err = h.resent(); err != nil {
			return err
		}
		if known && !last.some && next.resent == last.resent {
			return errAllAnswered
		}
		recently := last.ranked != 0 && h.world.Now().Sub(last.ranked) < rankedFor
		next.some, err = h.world.Uplinks(answer, last.told, !recently)
		return err
	})
	switch {
	case err != nil:
	case len(answer.Ways) == 0:
		if next.some && (next.ranked == 0 || h.world.Now().Sub(next.ranked) >= rankedFor) {
			next.ranked = h.world.Now()
		}
		err = errRanked
	default:
		next.told, next.ranked = next.some, 0
	}
	if err == nil || errors.Is(err, errRanked) {
		h.wait(at.Inode, next)
	}
	answer.Header = h.head(w)
	return answer, err
}

// resent counts time-outs that sent a SYN again; one that waits for the gateway's own
// address is a time-out only.
func (h *Host) resent() (uint64, error) {
	content, err := h.world.ReadFile(netstatPath)
	if err != nil {
		return 0, err
	}
	text := string(content)
	return counter(text, "TcpExt:", "TCPSynRetrans") + counter(text, "TcpExt:", "TCPTimeouts"), nil
}

func (h *Host) waited(id event.Netns) (waiting, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last, known := h.waits[id]
	return last, known
}

func (h *Host) wait(id event.Netns, next waiting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waits) >= maxWaitings {
		clear(h.waits)
	}
	h.waits[id] = next
}
