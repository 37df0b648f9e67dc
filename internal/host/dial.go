// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"net"
	"net/netip"
)

// DialFrom connects from a network namespace. A socket stays in the one that it was made
// in.
func DialFrom(at Target) func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	return func(ctx context.Context, network string, to netip.AddrPort) (conn net.Conn, err error) {
		err = Inside(at.Path, at.Inode, func() (err error) {
			var dialer net.Dialer
			conn, err = dialer.DialContext(ctx, network, to.String())
			return err
		})
		return conn, err
	}
}
