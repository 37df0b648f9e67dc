// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kerneltest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// End is one end of a cable: a device with one address in a namespace.
type End struct {
	Netns *Netns
	// Name is the device's, at most 15 bytes.
	Name string
	// Prefix is its address with the length of its network; Alias a second one,
	// where valid.
	Prefix, Alias netip.Prefix
}

// Cable lays a pair of veth devices between two namespaces. When it returns, the
// very first packet arrives: both ends have a carrier, duplicate addresses are not
// looked for, and the ends know each other's hardware address.
func Cable(t testing.TB, a, b End) {
	t.Helper()
	a.Netns.Do(t, func() error { return lay(a, b) })
	a.Netns.Do(t, func() error { return address(a) })
	b.Netns.Do(t, func() error { return address(b) })
	atA, atB := running(t, a), running(t, b)
	a.Netns.Do(t, func() error { return acquaint(atA, atB, b) })
	b.Netns.Do(t, func() error { return acquaint(atB, atA, a) })
}

// carrierLimit bounds how long the kernel takes to notice a carrier, which it does
// in a work queue. Until then it throws away what is sent.
const carrierLimit = 10 * time.Second

// running waits for an end's carrier.
func running(t testing.TB, e End) (link netlink.Link) {
	t.Helper()
	Within(t, carrierLimit, e.Name+" has a carrier", func() bool {
		e.Netns.Do(t, func() (err error) {
			link, err = netlink.LinkByName(e.Name)
			return err
		})
		return link.Attrs().OperState == netlink.OperUp
	})
	return link
}

// acquaint tells one end the hardware address behind the other's addresses.
func acquaint(here, there netlink.Link, other End) error {
	for _, prefix := range other.prefixes() {
		neighbour := &netlink.Neigh{
			LinkIndex:    here.Attrs().Index,
			State:        netlink.NUD_PERMANENT,
			IP:           prefix.Addr().AsSlice(),
			HardwareAddr: there.Attrs().HardwareAddr,
		}
		if err := netlink.NeighSet(neighbour); err != nil {
			return fmt.Errorf("acquaint %s with %s: %w", here.Attrs().Name, prefix.Addr(), err)
		}
	}
	return nil
}

// prefixes are the addresses that the end has.
func (e End) prefixes() []netip.Prefix {
	if !e.Alias.IsValid() {
		return []netip.Prefix{e.Prefix}
	}
	return []netip.Prefix{e.Prefix, e.Alias}
}

// lay makes the pair in the first namespace and hands the second its end.
func lay(a, b End) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = a.Name
	pair := &netlink.Veth{LinkAttrs: attributes, PeerName: b.Name}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make %s: %w", a.Name, err)
	}
	peer, err := netlink.LinkByName(b.Name)
	if err != nil {
		return fmt.Errorf("find %s: %w", b.Name, err)
	}
	return b.Netns.hold(func(fd int) error { return netlink.LinkSetNsFd(peer, fd) })
}

func address(e End) error {
	link, err := netlink.LinkByName(e.Name)
	if err != nil {
		return fmt.Errorf("find %s: %w", e.Name, err)
	}
	for _, prefix := range e.prefixes() {
		addr, err := netlink.ParseAddr(prefix.String())
		if err != nil {
			return err
		}
		if prefix.Addr().Is6() {
			addr.Flags |= noDuplicates
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("give %s the address %s: %w", e.Name, prefix, err)
		}
	}
	return up(e.Name)
}

// noDuplicates is IFA_F_NODAD.
const noDuplicates = 0x02

func up(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up %s: %w", name, err)
	}
	return nil
}
