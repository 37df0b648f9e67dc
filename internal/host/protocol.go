// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// ProtocolName names who made a route as ip-route(8) does, "" for "boot", which goes
// without saying.
func ProtocolName(protocol uint8) string {
	if protocol == unix.RTPROT_BOOT {
		return ""
	}
	return protocolName(protocol)
}

// Protocol is ProtocolName's inverse; false for a word that is neither a name nor a
// number.
func Protocol(word string) (uint8, bool) {
	if word == "" {
		return unix.RTPROT_BOOT, true
	}
	for number, name := range protocols {
		if name == word {
			return number, true
		}
	}
	number, err := strconv.ParseUint(word, 10, 8)
	return uint8(number), err == nil
}
