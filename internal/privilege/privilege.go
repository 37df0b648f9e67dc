// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package privilege knows what the agent needs its capabilities for, and gives up those
// that it no longer needs.
//
// Attaching needs more than watching. Once every hook stands, Reduce leaves what is still
// asked of the kernel, in every thread and for good: no_new_privs is set, so that nothing
// that is executed later gains anything either.
//
// Landlock is no part of it. A process in a Landlock domain may not look at one outside
// (ptrace access, Documentation/userspace-api/landlock.rst), so that /proc/PID/ns, exe and
// root of every other process are closed to it: the agent would find no namespace, no
// executable and no container's resolv.conf. A test holds that this is still so.
package privilege

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Capability is one of capabilities(7), by its number.
type Capability int

// Set is a set of capabilities, one bit each.
type Set uint64

// Of gives the set of some capabilities.
func Of(all ...Capability) Set {
	var s Set
	for _, c := range all {
		s |= 1 << c
	}
	return s
}

// Has tells whether a capability is in the set.
func (s Set) Has(c Capability) bool { return s>>c&1 == 1 }

// Names gives the names of those in the set that the agent knows a use for.
func (s Set) Names() []string {
	var names []string
	for _, row := range Table() {
		if s.Has(row.Capability) {
			names = append(names, row.Name)
		}
	}
	return names
}

// String gives the names with commas between.
func (s Set) String() string { return strings.Join(s.Names(), ",") }

// Held gives the effective set of the calling thread.
func Held() (Set, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read this process's capabilities: %w", err)
	}
	return Set(data[1].Effective)<<32 | Set(data[0].Effective), nil
}
