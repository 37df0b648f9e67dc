// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package syslog

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// arrived tells whether the server's kernel has acknowledged every byte.
func arrived(conn net.Conn) error {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	plain, ok := conn.(syscall.Conn)
	if !ok {
		return errors.New("the connection does not tell what arrived")
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return err
	}
	waiting, asked := 0, error(nil)
	if err := raw.Control(func(fd uintptr) { waiting, asked = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); err != nil {
		return err
	}
	switch {
	case asked != nil:
		return fmt.Errorf("ask what arrived: %w", asked)
	case waiting > 0:
		return fmt.Errorf("%d bytes were not acknowledged", waiting)
	default:
		return nil
	}
}
