// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// network is the set of namespaces of one run with what connects them. Building
// stops at the first error, which err keeps: so a topology reads as what it is. No
// link is ever made in the host's own namespace.
type network struct {
	scenario string
	nonce    string
	spaces   []*space
	// closers are its servers' sockets, closed here where their jobs never ran.
	closers []io.Closer
	err     error
}

// newNetwork starts an empty network. The caller closes it.
func newNetwork(scenario string) *network {
	n := &network{scenario: scenario}
	var nonce [2]byte
	_, n.err = rand.Read(nonce[:])
	n.nonce = hex.EncodeToString(nonce[:])
	return n
}

// space adds a namespace. Role is one word.
func (n *network) space(role string) *space {
	if n.err != nil {
		return &space{role: role, fd: -1}
	}
	name := spaceName{Scenario: n.scenario, PID: os.Getpid(), Nonce: n.nonce, Role: role}
	s, err := newSpace(name.String(), role)
	if err != nil {
		n.fail(err)
		return &space{role: role, fd: -1}
	}
	n.spaces = append(n.spaces, s)
	return s
}

// find gives the namespace with a role, nil where there is none.
func (n *network) find(role string) *space {
	for _, s := range n.spaces {
		if s.role == role {
			return s
		}
	}
	return nil
}

// port is one end of a cable: an interface in a namespace with its addresses.
type port struct {
	space *space
	name  string
	// addrs are prefixes with the interface's own address: 10.0.0.2/24.
	addrs []string
}

// cable lays a veth pair between two ports, gives them their addresses and sets
// them up. IPv6 addresses are used at once, without looking for a duplicate.
func (n *network) cable(a, b port) {
	if n.err != nil {
		return
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = a.name
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: b.name, PeerNamespace: netlink.NsFd(b.space.fd)}
	if err := a.space.handle.LinkAdd(veth); err != nil {
		n.fail(fmt.Errorf("add link %s-%s: %w", a.name, b.name, err))
		return
	}
	n.fail(a.configure())
	n.fail(b.configure())
}

func (p port) configure() error {
	link, err := p.space.handle.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", p.name, err)
	}
	for _, addr := range p.addrs {
		if err := p.assign(link, addr); err != nil {
			return err
		}
	}
	if err := p.space.handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set link %s up: %w", p.name, err)
	}
	return nil
}

func (p port) assign(link netlink.Link, text string) error {
	addr, err := netlink.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("read address %s: %w", text, err)
	}
	if addr.IP.To4() == nil {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := p.space.handle.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("add address %s to %s: %w", text, p.name, err)
	}
	return nil
}

// mac gives the port's hardware address.
func (p port) mac() (net.HardwareAddr, int, error) {
	link, err := p.space.handle.LinkByName(p.name)
	if err != nil {
		return nil, 0, fmt.Errorf("find link %s: %w", p.name, err)
	}
	return link.Attrs().HardwareAddr, link.Attrs().Index, nil
}

// route adds a route; "" as destination is the default one.
func (n *network) route(s *space, destination, via string, metric int) {
	if n.err != nil {
		return
	}
	gateway, err := netip.ParseAddr(via)
	if err != nil {
		n.fail(fmt.Errorf("read gateway: %w", err))
		return
	}
	route := &netlink.Route{Gw: gateway.AsSlice(), Priority: metric}
	if destination != "" {
		if route.Dst, err = netlink.ParseIPNet(destination); err != nil {
			n.fail(fmt.Errorf("read route: %w", err))
			return
		}
	}
	if err := s.handle.RouteAdd(route); err != nil {
		n.fail(fmt.Errorf("add route %s via %s: %w", destination, via, err))
	}
}

// sysctl sets net.PARTS inside a namespace.
func (n *network) sysctl(s *space, value string, parts ...string) {
	if n.err == nil {
		n.fail(s.sysctl(value, parts...))
	}
}

// forward makes a namespace a router.
func (n *network) forward(s *space) {
	n.sysctl(s, "1", "ipv4", "ip_forward")
}

func (n *network) fail(err error) {
	if n.err == nil && err != nil {
		n.err = err
	}
}

// close removes all namespaces of the run and with them their links.
func (n *network) close() error {
	for _, c := range n.closers {
		_ = c.Close() // often closed before
	}
	var errs []error
	for _, s := range n.spaces {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}
