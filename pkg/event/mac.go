// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"fmt"
	"net"
)

// MAC is an Ethernet address.
type MAC [6]byte

// String gives the usual colon form.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// IsZero tells whether no address was read.
func (m MAC) IsZero() bool { return m == MAC{} }

// MarshalText implements encoding.TextMarshaler.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *MAC) UnmarshalText(text []byte) error {
	hw, err := net.ParseMAC(string(text))
	if err != nil || len(hw) != len(m) {
		return fmt.Errorf("parse Ethernet address %q", text)
	}
	copy(m[:], hw)
	return nil
}
