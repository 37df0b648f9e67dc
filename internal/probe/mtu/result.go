// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"net/netip"
	"time"
)

// Method is how a path was asked.
type Method string

// The methods.
const (
	Echo Method = "echo"
	UDP  Method = "udp"
	TCP  Method = "tcp"
)

// Verdict is what a path does with packets that are too large.
type Verdict string

// The verdicts.
const (
	// Clear is a path that carries the largest size that was tried.
	Clear Verdict = "clear"
	// Answered is one on which somebody says that a packet is too large.
	Answered Verdict = "answered"
	// Silent is a black hole: larger packets vanish and nobody says so.
	Silent Verdict = "silent"
)

// Result is what was found out.
type Result struct {
	Method  Method
	Verdict Verdict
	// Passed is the largest size that arrived, Lost the smallest that did not, 0
	// where all did. Exact tells that they are neighbours and that Lost was lost every
	// time, while Passed arrived: then Passed is the path's MTU.
	Passed, Lost int
	Exact        bool
	// Local is the largest size that the interface takes, 0 where nothing as large
	// was tried.
	Local int
	// Told is the newest MTU that somebody told who could not pass a packet on, ToldBy
	// who. It need not be true.
	Told   int
	ToldBy netip.Addr
	// LastHop is the last router that is seen to get packets of the size Lost, NextHop
	// the next one known, where those packets vanish in silence.
	LastHop, NextHop Hop
	// Returned is the largest echo that was answered, where larger packets arrive but
	// echoes as large have no answer; else 0.
	Returned int
	Packets  int
	Took     time.Duration
	// Notes are sentences on what else there is to know.
	Notes []string
}

// Hop is a router on the way, or the peer itself at its end.
type Hop struct {
	// TTL is how far it is: 1 for the first router.
	TTL  int
	Addr netip.Addr
}
