// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package privilege

import "golang.org/x/sys/unix"

// Row says what one capability is for.
type Row struct {
	Capability Capability
	Name       string
	// For is what needs it; Without what stops, in one line, where it is missing.
	For, Without string
	// wanted tells whether it is of use at all, kept whether it still is once every hook
	// is attached, grave whether something is missed without it, and not only told less.
	wanted, kept, grave func(Need) bool
}

// Grave tells whether something is missed without the capability. What is only told in less
// detail, or would be told where it fails, is no reason for a warning at each start.
func (r Row) Grave(n Need) bool { return r.grave(n) }

// Need is what of the agent's work depends on what it was told to do.
type Need struct {
	// Elsewhere is true where network namespaces beside the agent's own are watched.
	Elsewhere bool
	// Confirm allows active probes.
	Confirm bool
	// Untold is true where the kernel leaves reasons for drops untold that its symbols would
	// tell.
	Untold bool
	// Foreign is true where it writes to files that may become another user's, as a log
	// file does that logrotate makes anew.
	Foreign bool
}

func always(Need) bool { return true }

func never(Need) bool { return false }

// Table lists the capabilities that the agent has a use for.
func Table() []Row {
	elsewhere := func(n Need) bool { return n.Elsewhere }
	return []Row{
		{unix.CAP_BPF, "CAP_BPF", "loading programs, and reading their maps",
			"nothing can be watched", always, always, always},
		{unix.CAP_PERFMON, "CAP_PERFMON", "attaching to tracepoints, reading kernel memory by CO-RE",
			"nothing can be watched", always, never, always},
		{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "programs on sockets: DNS messages and dials; reading firewall rules and connection tracking",
			"DNS messages and dials are not seen, and firewall rules not read", always, always, always},
		{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "entering other network namespaces for their settings, routes and sockets; mounting tracefs and cgroup v2",
			"other network namespaces are not entered: findings there stay suspected, and what rests on their settings or sockets is missed", elsewhere, elsewhere, elsewhere},
		{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "/proc/PID/ns, exe and root of other processes",
			"namespaces without a name are not found, and findings lack other processes' executables and resolv.conf", always, always, always},
		{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "the control group, and so the container, of a process that has ended; files that others may not read",
			"processes that have ended are not traced to their unit or container", always, always, always},
		{unix.CAP_SYSLOG, "CAP_SYSLOG", "the kernel's symbols (/proc/kallsyms): which function dropped a packet",
			"drops are not told with the kernel's function, and where the kernel gives no reasons (before 5.17) not told apart", always, never, untold},
		{unix.CAP_NET_RAW, "CAP_NET_RAW", "the packets of --confirm",
			"no path is probed, so a suspected black hole is not confirmed by it", confirm, confirm, confirm},
		{unix.CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "writing to a file or folder that belongs to another user",
			"files that belong to another user are not written", foreign, foreign, never},
	}
}

func confirm(n Need) bool { return n.Confirm }

func foreign(n Need) bool { return n.Foreign }

func untold(n Need) bool { return n.Untold }

// covered are the capabilities that CAP_SYS_ADMIN holds as well (capabilities(7)): a
// container runtime of before 5.8 knows no other name for them.
func covered(c Capability) bool { return c == unix.CAP_BPF || c == unix.CAP_PERFMON }

// Keep gives what is still needed, of what is held, once every hook is attached.
func Keep(held Set, n Need) Set {
	var keep Set
	if !held.Has(unix.CAP_BPF) {
		keep = Of(unix.CAP_SYS_ADMIN)
	}
	for _, row := range Table() {
		if row.kept(n) {
			keep |= Of(row.Capability)
		}
	}
	return keep & held
}

// Missing lists the rows of what would be of use and is not held.
func Missing(held Set, n Need) []Row {
	var missing []Row
	for _, row := range Table() {
		instead := covered(row.Capability) && held.Has(unix.CAP_SYS_ADMIN)
		if row.wanted(n) && !held.Has(row.Capability) && !instead {
			missing = append(missing, row)
		}
	}
	return missing
}
