// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// netnsDir is where iproute2 keeps named namespaces.
const netnsDir = "/run/netns"

// ownNetns is the calling thread's namespace: /proc/self would be the process's
// first thread.
const ownNetns = "/proc/thread-self/ns/net"

// space is one network namespace of a run.
type space struct {
	name   string
	role   string
	fd     int
	handle *netlink.Handle
}

// newSpace makes a namespace and gives it a name. The caller closes it.
func newSpace(name, role string) (*space, error) {
	if err := shareNetnsDir(); err != nil {
		return nil, err
	}
	path := filepath.Join(netnsDir, name)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return nil, fmt.Errorf("name namespace: %w", err)
	}
	_ = file.Close() // nothing was written
	s := &space{name: name, role: role, fd: -1}
	if err := onThread(func() error { return s.unshare(path) }); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// unshare moves the calling thread into a new namespace and pins it to path.
func (s *space) unshare(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make namespace: %w", err)
	}
	if err := unix.Mount(ownNetns, path, "none", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	fd, err := unix.Open(ownNetns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	s.fd = fd
	if s.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	return s.settle()
}

// settle gives a namespace the settings that every scenario starts from. IPv4's
// are otherwise a copy of the host's (net.core.devconf_inherit_init_net), so a lab
// would behave differently from host to host.
func (s *space) settle() error {
	lo, err := s.handle.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := s.handle.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	for _, scope := range []string{"all", "default"} {
		// Links are of use at once: nobody else could have their addresses.
		if err := writeSysctl("0", "ipv6", "conf", scope, "accept_dad"); err != nil {
			return err
		}
		for _, key := range []string{"rp_filter", "accept_local", "route_localnet", "log_martians"} {
			if err := writeSysctl("0", "ipv4", "conf", scope, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// do runs f on a thread inside the namespace: sockets that f makes itself, without
// handing that to another goroutine, belong to it. So do files under /proc/sys/net
// and /proc/thread-self/net.
func (s *space) do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(s.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter %s: %w", s.name, err)
		}
		return f()
	})
}

// sysctl sets net.PARTS inside the namespace. Parts may hold dots.
func (s *space) sysctl(value string, parts ...string) error {
	return s.do(func() error { return writeSysctl(value, parts...) })
}

// counter reads one of /proc/net/netstat's counters: "TcpExt", "TWKilled".
func (s *space) counter(group, name string) (uint64, error) { //nolint:unparam // reads as what it is where it is called
	text, err := s.readNet("netstat")
	if err != nil {
		return 0, err
	}
	return pickCounter(text, group, name)
}

// tooLarge is the kernel's own count of packets that it could not forward for their
// size.
func (s *space) tooLarge(six bool) (uint64, error) {
	if !six {
		text, err := s.readNet("snmp")
		if err != nil {
			return 0, err
		}
		return pickCounter(text, "Ip", "FragFails")
	}
	return s.counter6("Ip6InTooBigErrors")
}

// counter6 reads one of IPv6's counters.
func (s *space) counter6(name string) (uint64, error) {
	text, err := s.readNet("snmp6")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == name {
			return strconv.ParseUint(words[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("no counter %s in snmp6", name)
}

// readNet reads a file of /proc/net as it is inside the namespace.
func (s *space) readNet(file string) (string, error) {
	var text []byte
	err := s.do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/" + file)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read %s of %s: %w", file, s.role, err)
	}
	return string(text), nil
}

// pickCounter finds a counter in netstat's pairs of lines: names, then values.
func pickCounter(text, group, name string) (uint64, error) {
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != group+":" {
			continue
		}
		if names == nil {
			names = words
			continue
		}
		for i := range min(len(names), len(words)) {
			if names[i] == name {
				return strconv.ParseUint(words[i], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("no counter %s %s in netstat", group, name)
}

// close lets go of the namespace and removes its name. The kernel takes it down
// once its last socket is gone.
func (s *space) close() error {
	if s.handle != nil {
		s.handle.Close()
		s.handle = nil
	}
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
		s.fd = -1
	}
	return removeName(s.name)
}

// removeName unmounts and removes a name under /run/netns; one that is half there
// or gone is no error.
func removeName(name string) error {
	path := filepath.Join(netnsDir, name)
	err := unix.Unmount(path, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove namespace %s: %w", name, err)
	}
	return nil
}

// writeSysctl sets net.PARTS in the calling thread's namespace.
func writeSysctl(value string, parts ...string) error {
	path := filepath.Join(append([]string{"/proc/sys/net"}, parts...)...)
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("set sysctl: %w", err)
	}
	return nil
}

// onThread runs f on a thread of its own and puts that thread back into the
// namespace it came from. A thread that cannot be put back stays locked, so that
// the runtime ends it with its goroutine: no other goroutine may get it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := unix.Open(ownNetns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			runtime.UnlockOSThread()
			done <- fmt.Errorf("open own namespace: %w", err)
			return
		}
		err = f()
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		_ = unix.Close(home)
		done <- err
	}()
	return <-done
}
