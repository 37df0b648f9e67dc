// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import "net/netip"

// Addr gives an address of the wire: IPv4 where it is mapped, else IPv6, the
// wildcard included.
func Addr(raw [16]byte) netip.Addr { return netip.AddrFrom16(raw).Unmap() }
