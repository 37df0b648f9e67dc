// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kerneltest

import (
	"fmt"
	"net/netip"
	"testing"

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

// Cable lays a pair of veth devices between two namespaces and brings both ends
// up. IPv6 addresses can be used at once: duplicates are not looked for.
func Cable(t testing.TB, a, b End) {
	t.Helper()
	a.Netns.Do(t, func() error { return lay(a, b) })
	a.Netns.Do(t, func() error { return address(a) })
	b.Netns.Do(t, func() error { return address(b) })
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
	for _, prefix := range []netip.Prefix{e.Prefix, e.Alias} {
		if !prefix.IsValid() {
			continue
		}
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
