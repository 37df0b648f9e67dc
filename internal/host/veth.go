// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Veths are the ends of all cables between the namespaces of a host.
type Veths struct {
	ends map[pair][]End
}

// End is one end of a veth pair.
type End struct {
	Netns Target
	Name  string
	MTU   uint32
}

// pair are the indices of an end and of the other one.
type pair struct{ own, other uint32 }

// Veths looks at the links of every namespace. One that cannot be entered is left
// out.
func (h *Host) Veths() *Veths {
	v := &Veths{ends: map[pair][]End{}}
	for _, at := range h.Namespaces() {
		_ = h.inside(at, func() error {
			found, err := dump(unix.RTM_GETLINK, linkRequest(0), parseDevice)
			for i := range found {
				if d := &found[i]; d.Type == "veth" {
					key := pair{d.Index, d.Peer}
					v.ends[key] = append(v.ends[key], End{Netns: at, Name: d.Name, MTU: d.MTU})
				}
			}
			return err
		})
	}
	return v
}

// Peer finds the other end of a namespace's veth device. The kernel tells its index
// alone, and a number for its namespace that only this namespace knows: the device
// that names this one in return is it. Where there are several, the kernel is asked
// which of their namespaces it is.
func (h *Host) Peer(v *Veths, s *Survey, d *Device) (End, bool) {
	if d.Type != "veth" {
		return End{}, false
	}
	if d.PeerNetns < 0 {
		other := s.Device(d.Peer)
		if other == nil {
			return End{}, false
		}
		return End{Netns: s.At, Name: other.Name, MTU: other.MTU}, true
	}
	var found []End
	for _, end := range v.ends[pair{d.Peer, d.Index}] {
		if end.Netns.Inode != s.At.Inode {
			found = append(found, end)
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	for _, end := range found {
		if h.knownAs(s.At, end.Netns) == d.PeerNetns {
			return end, true
		}
	}
	return End{}, false
}

// knownAs gives the number by which one namespace knows another, -1 for none.
func (h *Host) knownAs(at, other Target) int32 {
	path := other.Path
	if path == "" {
		path = "/proc/self/ns/net"
	}
	id := -1
	_ = h.inside(at, func() error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		id, err = netlink.GetNetNsIdByFd(fd)
		return err
	})
	return int32(id)
}

// Here gives the target of the agent's own namespace.
func (h *Host) Here() Target {
	at, ok := h.Locate(h.own)
	if !ok {
		return Target{Inode: h.own}
	}
	return at
}
