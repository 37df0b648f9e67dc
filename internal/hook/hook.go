// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package hook is the table of what the agent attaches to in the kernel, with the
// compiled programs behind it.
//
// A row is one thing to see. Its rungs are the ways to see it, best first: the
// loader stands on the first that really attaches. A new sight is one row here
// and its .bpf.c.
package hook

import "github.com/cilium/ebpf"

// The sights: what traps name in their needs.
const (
	SightDrop     = "drop"
	SightFib      = "fib"
	SightTCP      = "tcp"
	SightBind     = "bind"
	SightTimewait = "timewait"
	SightDNS      = "dns"
	SightDial     = "dial"
	SightRetrans  = "retrans"
	SightSweep    = "sweep"
	SightICMP     = "icmp"
	SightICMPSent = "icmp-sent"
	SightRefusal  = "refusal"
)

// The rungs, by how the kernel calls the program.
const (
	RungTracepointBTF = "tp_btf"     // typed raw tracepoint, since 5.5
	RungTracepointRaw = "raw_tp"     // raw tracepoint, since 4.17
	RungTracepoint    = "tracepoint" // by the tracepoint's record, since 4.7
	RungFentry        = "fentry"     // trampoline at a function's start, since 5.5
	RungKprobe        = "kprobe"     // breakpoint at a function's start
	RungFexit         = "fexit"      // trampoline at a function's end, since 5.5
	RungKretprobe     = "kretprobe"  // breakpoint at a function's end, with its entry
	RungIterator      = "iter"       // run by whoever reads it, since 5.8
	RungCgroup        = "cgroup"     // at the sockets of the root control group, since 4.10
	RungDiag          = "inet_diag"  // no program: a dump over netlink, since 3.3
)

// Row is one thing to see.
type Row struct {
	// Name is the kernel's for the tracepoint or function; it identifies the row.
	Name string
	// Sight is what traps call it. Several rows may serve one sight.
	Sight string
	// Object gives the compiled programs and maps, a fresh copy each time.
	Object func() (*ebpf.CollectionSpec, error)
	// Rungs are the ways to see it, best first.
	Rungs []Rung
	// Since is the first mainline kernel on which the row works.
	Since string
}

// Rung is one way to see a row: programs that attach together or not at all, or none
// where the kernel tells by itself.
type Rung struct {
	Name     string
	Programs []string
}
