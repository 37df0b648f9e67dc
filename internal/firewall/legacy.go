// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Socket options by which the older iptables reads its tables (linux/netfilter_ipv4/
// ip_tables.h, linux/netfilter_ipv6/ip6_tables.h): the numbers are the same.
const (
	getInfo    = 64
	getEntries = 65
)

const tableNameSize = 32 // XT_TABLE_MAXNAMELEN

// legacyInfo is struct ipt_getinfo.
type legacyInfo struct {
	Name       [tableNameSize]byte
	ValidHooks uint32
	HookEntry  [5]uint32
	Underflow  [5]uint32
	Entries    uint32
	Size       uint32
}

// legacyFamily is how one family's entries lie in memory.
type legacyFamily struct {
	name          string
	names         string // the list of tables that are in use
	domain, level int
	// entry is the size of an entry's head, ports where it says which interfaces,
	// proto and flags the rest of what it matches; offsets where its target begins.
	entry, faces, proto, flags, invert, offsets int
}

// legacyFamilies are struct ipt_entry and ip6t_entry: addresses and masks first, then
// interface names and their masks.
func legacyFamilies() []legacyFamily {
	return []legacyFamily{
		{"ip", "/proc/thread-self/net/ip_tables_names", unix.AF_INET, unix.IPPROTO_IP, 112, 16, 80, 82, 83, 88},
		{"ip6", "/proc/thread-self/net/ip6_tables_names", unix.AF_INET6, unix.IPPROTO_IPV6, 168, 64, 128, 131, 132, 140},
	}
}

// legacyBases lists the chains of the older iptables. Only tables that are in use are
// asked for: asking for another would make it.
func legacyBases() ([]base, error) {
	var bases []base
	var errs error
	for _, f := range legacyFamilies() {
		names, err := os.ReadFile(f.names)
		if err != nil {
			continue // not built in, or not loaded: no table
		}
		for _, name := range strings.Fields(string(names)) {
			if name == "nat" {
				continue
			}
			found, err := f.table(name)
			if err != nil {
				errs = errors.Join(errs, fmt.Errorf("table %s: %w", name, err))
				continue
			}
			bases = append(bases, found...)
		}
	}
	return bases, errs
}

// table reads one table: its size, then all of it.
func (f legacyFamily) table(name string) ([]base, error) {
	fd, err := unix.Socket(f.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw socket: %w", err)
	}
	defer unix.Close(fd)
	var info legacyInfo
	copy(info.Name[:tableNameSize-1], name)
	if err := f.get(fd, getInfo, unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info))); err != nil {
		return nil, fmt.Errorf("read its size: %w", err)
	}
	const head = tableNameSize + 8 // struct ipt_get_entries: name, size, padding to 8
	if info.Size > maxLegacy {
		return nil, errTooLarge
	}
	blob := make([]byte, head+int(info.Size))
	copy(blob, info.Name[:])
	binary.NativeEndian.PutUint32(blob[tableNameSize:], info.Size)
	if err := f.get(fd, getEntries, blob); err != nil {
		return nil, fmt.Errorf("read its rules: %w", err)
	}
	t := &legacyTable{family: f, blob: blob[head:]}
	return t.bases(name, &info), nil
}

// maxLegacy bounds what is read of one table, in bytes: some hundred thousand rules.
const maxLegacy = 64 << 20

func (f legacyFamily) get(fd, option int, data []byte) error {
	size := uint32(len(data))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(f.level), uintptr(option),
		uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// legacyTable is a table as the kernel keeps it: entries one after the other, in which
// a chain is known by the offset of its first.
type legacyTable struct {
	family legacyFamily
	blob   []byte
}

// legacyHooks are NF_INET_* in their order, with the built-in chains' names.
func legacyHooks() [5]struct {
	hook  Hook
	chain string
} {
	return [5]struct {
		hook  Hook
		chain string
	}{{Prerouting, "PREROUTING"}, {Input, "INPUT"}, {Forward, "FORWARD"}, {Output, "OUTPUT"}, {Postrouting, "POSTROUTING"}}
}

func (t *legacyTable) bases(name string, info *legacyInfo) []base {
	var bases []base
	for i, one := range legacyHooks() {
		if info.ValidHooks&(1<<i) == 0 {
			continue
		}
		place := Place{Family: t.family.name, Table: name, Chain: one.chain, Hook: one.hook, Legacy: true, Priority: priorities[name]}
		policy := step{verdict: accept}
		if last := t.entry(int(info.Underflow[i])); last != nil {
			policy = last.target()
		}
		bases = append(bases, base{place: place, policy: policy, source: legacyChain{t, int(info.HookEntry[i]), int(info.Underflow[i])}})
	}
	return bases
}

// priorities are NF_IP_PRI_*. They are never written to.
var priorities = map[string]int32{"raw": -300, "mangle": -150, "security": 50}

// legacyChain gives the rules of a built-in chain, and of those it leads to by the
// offset that their name is.
type legacyChain struct {
	table        *legacyTable
	first, under int
}

// chain implements source. A built-in chain ends before its policy, a user's at its
// unconditional return, which is a rule like any other.
func (c legacyChain) chain(name string) ([]rule, error) {
	at, end := c.first, c.under
	var offset int
	if _, err := fmt.Sscanf(name, legacyJump, &offset); err == nil {
		at, end = offset, len(c.table.blob)
	}
	var rules []rule
	for at < end && len(rules) < maxRules {
		e := c.table.entry(at)
		if e == nil || e.ends() {
			break
		}
		e.number = len(rules) + 1
		rules = append(rules, e)
		at += e.size
	}
	return rules, nil
}

// legacyJump names a chain by the offset of its first entry.
const legacyJump = "@%d"
