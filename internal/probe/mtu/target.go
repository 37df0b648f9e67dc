// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/trapbpf/trapbpf/internal/host"
)

// ErrTarget is wrapped by errors about a target that cannot be measured whatever the
// network does.
var ErrTarget = errors.New("no target")

const (
	// longestName is how long a host name may be (RFC 1035, section 2.3.4).
	longestName = 253
	// shownName is how much of a wrong one an error shows.
	shownName = 64
)

// Resolve gives the address that a word means, asking name servers from a namespace: of
// IPv6 where that is wanted, else of IPv4 where there is one. Errors about the word
// itself wrap ErrTarget.
func Resolve(ctx context.Context, at host.Target, word string, six bool) (netip.Addr, error) {
	shown := word[:min(len(word), shownName)]
	if addr, err := netip.ParseAddr(word); err == nil {
		return addr.Unmap(), fits(addr.Unmap(), six)
	}
	if word == "" || len(word) > longestName || strings.HasPrefix(word, "-") || strings.ContainsFunc(word, strange) {
		return netip.Addr{}, fmt.Errorf("%w: %q is neither an address nor a name: give one, without port or scheme", ErrTarget, shown)
	}
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = host.Inside(at.Path, at.Inode, func() error {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}}
	network := "ip"
	if six {
		network = "ip6"
	}
	found, err := resolver.LookupNetIP(ctx, network, word)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find the address of %q (give the address itself where names do not resolve): %w", shown, err)
	}
	best := found[0].Unmap()
	for _, addr := range found {
		if !best.Is4() && addr.Unmap().Is4() {
			best = addr.Unmap()
		}
	}
	return best, fits(best, six)
}

// strange tells whether a character is in no host name.
func strange(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune("/:@%'\"`\\$&|;<>(){}[]*?!#,=+~^", c)
}

func fits(addr netip.Addr, six bool) error {
	switch {
	case six && addr.Is4():
		return fmt.Errorf("%w: %s is an IPv4 address: leave out --ipv6, or give an IPv6 one", ErrTarget, addr)
	case addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%w: %s is not one host's address: give one that is", ErrTarget, addr)
	default:
		return nil
	}
}
