// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net/netip"
	"os"

	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// World is all that Host knows of the outside. The functions in the second group
// speak of the namespace that the calling thread is in: Host calls them in Inside.
type World struct {
	// ReadFile gives a file's content. Names in dir are what List gives, in no order.
	ReadFile func(path string) ([]byte, error)
	List     func(dir string) ([]string, error)
	// ReadIn gives a file's content as a process with that root directory sees it:
	// symbolic links lead to where they lead for the process. "" is the agent's root.
	ReadIn func(root, path string) ([]byte, error)
	// ReadLink gives where a symbolic link leads, and an error where path is none.
	ReadLink func(path string) (string, error)
	// SameFile tells whether two paths, not followed further, are one file.
	SameFile func(a, b string) bool
	// Inode gives the inode of the network namespace behind a file, and an error
	// where the file is something else.
	Inode func(path string) (event.Netns, error)
	// Inside runs do in the namespace behind path, which must have that inode, else
	// ErrGone. The path "" is the agent's own namespace.
	Inside func(path string, id event.Netns, do func() error) error
	// Now is the time since boot.
	Now func() event.Time

	// Links gives the devices with their addresses and their *own* IPv4 settings.
	Links func() ([]event.Interface, error)
	// Defaults gives the default routes of every table, both families; name turns
	// an interface index into its name.
	Defaults func(name func(index uint32) string) ([]event.Route, error)
	// Rules gives the policy rules beside those every namespace has.
	Rules func() ([]string, error)
	// RouteBack asks the kernel by which route it would send to an address, from
	// another where that is valid.
	RouteBack func(to, from netip.Addr) event.RouteBack

	// Way gives what the kernel's tables say of the way to a peer: the route with its
	// lock, what was learned, the links. From may be invalid.
	Way func(to, from netip.Addr) (event.Path, error)
	// Filters gives the base chains of nftables that may drop ICMP.
	Filters func() ([]event.Filter, error)

	// Guards gives the base chains that may drop packets for their connection's state
	// or for their way back, Tracked what is tracked between two addresses and whether
	// that is all, Invalids how many packets were ever called invalid.
	Guards   func() ([]event.Guard, error)
	Tracked  func(a, b netip.Addr) (rows []event.Tracked, whole bool, err error)
	Invalids func() (uint64, error)

	// Uplinks fills in the handshakes that went by default routes which nothing ranks, and
	// tells whether a SYN waits at all. Nothing is filled in where none waits, unless all
	// is asked for, and no routes are read unless asked for.
	Uplinks func(answer *event.Uplinks, all, routes bool) (some bool, err error)

	// Connections gives the TCP connections of the namespace behind path that wait for
	// missing bytes, and all with a peer where that is valid. Nil where the agent has
	// no such sight.
	Connections func(path string, id event.Netns, peer netip.Addr) (*event.Connections, error)
	// Walk counts who holds the ports from low to high, in the namespace behind
	// path. Nil where the agent has no such sight.
	Walk func(path string, id event.Netns, low, high uint16) (*event.PortUse, error)
	// Process tells who a process is, of one that has ended by its control group where
	// that is not 0. Nil leaves all but the PID out.
	Process func(pid uint32, cgroup uint64) event.Process
}

// Real gives the running host, without Walk and Process: they belong to rooms
// that stand after this one, so that the agent fills them in.
func Real() World {
	return World{
		ReadFile:  os.ReadFile,
		List:      list,
		ReadIn:    readIn,
		ReadLink:  os.Readlink,
		SameFile:  sameFile,
		Inode:     inodes(),
		Inside:    Inside,
		Now:       now,
		Links:     links,
		Defaults:  defaults,
		Rules:     rules,
		RouteBack: routeBack,
		Way:       wayTo,
		Filters:   filters,
		Guards:    guards,
		Tracked:   tracked,
		Invalids:  invalids,
		Uplinks:   uplinks,
	}
}

func list(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	return f.Readdirnames(-1)
}

func now() event.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // cannot be: the clock is there since Linux 2.6.39
	}
	return event.Time(ts.Nano())
}
