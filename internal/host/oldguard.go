// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// What iptables of before nftables asks (linux/netfilter_ipv4/ip_tables.h; the same
// for IPv6).
const (
	getInfo    = 64 // IPT_SO_GET_INFO
	getEntries = 65 // IPT_SO_GET_ENTRIES

	oldNameSize  = 32
	oldInfoSize  = 84
	oldSizeAt    = 80 // of the entries, in struct ipt_getinfo
	oldEntriesAt = 40 // in struct ipt_get_entries
	// maxOldEntries bounds what is read of a table.
	maxOldEntries = 8 << 20
)

// oldTables tells which tables of the older iptables a namespace has. One that isn't
// there must not be asked for: the question itself would make it, hooks and all.
func oldTables(file string) []string {
	content, err := os.ReadFile("/proc/thread-self/net/" + file)
	if err != nil {
		return nil // no such iptables
	}
	return strings.Fields(string(content))
}

// oldGuards gives the tables of the older iptables that match on the state or on the
// way back. Their rules are not taken apart: a table is told of as a whole.
func oldGuards() ([]event.Guard, error) {
	var found []event.Guard
	for _, protocol := range []struct {
		name, tables  string
		domain, level int
	}{
		{"ip", "ip_tables_names", unix.AF_INET, unix.SOL_IP},
		{"ip6", "ip6_tables_names", unix.AF_INET6, unix.SOL_IPV6},
	} {
		for _, table := range oldTables(protocol.tables) {
			entries, err := oldEntries(protocol.domain, protocol.level, table)
			if err != nil {
				return found, fmt.Errorf("read the iptables of table %s: %w", table, err)
			}
			if g, ok := oldGuard(protocol.name, table, entries); ok {
				found = append(found, g)
			}
		}
	}
	return found, nil
}

func oldGuard(family, table string, entries []byte) (event.Guard, bool) {
	g := event.Guard{Family: family, Table: table, IPTables: true}
	g.ReversePath = bytes.Contains(entries, []byte("rpfilter\x00"))
	g.Stateful = bytes.Contains(entries, []byte("conntrack\x00")) || bytes.Contains(entries, []byte("state\x00"))
	g.Invalid = g.Stateful // which state is not told apart
	return g, g.ReversePath || g.Stateful
}

func oldEntries(domain, level int, table string) ([]byte, error) {
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	info := make([]byte, oldInfoSize)
	copy(info[:oldNameSize-1], table)
	if err := getOption(fd, level, getInfo, info); err != nil {
		return nil, err
	}
	size := binary.NativeEndian.Uint32(info[oldSizeAt:])
	if size > maxOldEntries {
		return nil, fmt.Errorf("%d bytes of rules are too many to read", size)
	}
	answer := make([]byte, oldEntriesAt+size)
	copy(answer[:oldNameSize-1], table)
	binary.NativeEndian.PutUint32(answer[oldNameSize:], size)
	if err := getOption(fd, level, getEntries, answer); err != nil {
		return nil, err
	}
	return answer[oldEntriesAt:], nil
}

// getOption is getsockopt(2) with a question in the buffer that takes the answer, which
// package unix has no call for.
func getOption(fd, level, option int, buffer []byte) error {
	size := uint32(len(buffer))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
