// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// adjust changes a port's interface.
func (n *network) adjust(p port, what string, change func(*netlink.Handle, netlink.Link) error) {
	if n.err != nil {
		return
	}
	link, err := p.space.handle.LinkByName(p.name)
	if err != nil {
		n.fail(fmt.Errorf("find link %s: %w", p.name, err))
		return
	}
	if err := change(p.space.handle, link); err != nil {
		n.fail(fmt.Errorf("%s of %s: %w", what, p.name, err))
	}
}

// mtu sets a port's MTU.
func (n *network) mtu(p port, mtu int) {
	n.adjust(p, "set MTU", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, mtu) })
}

// singly has ports hand over segments one by one, as a wire does.
func (n *network) singly(ports ...port) {
	for _, p := range ports {
		n.adjust(p, "switch off offload", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetGSOMaxSegs(l, 1) })
	}
}

// prefixOf is the prefix of one address.
func prefixOf(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// unplug takes a port down while its run is under way.
func (p port) unplug() error {
	link, err := p.space.handle.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", p.name, err)
	}
	if err := p.space.handle.LinkSetDown(link); err != nil {
		return fmt.Errorf("set link %s down: %w", p.name, err)
	}
	return nil
}
