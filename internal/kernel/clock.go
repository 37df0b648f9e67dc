// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Now is the boot clock: the one that events carry.
func Now() event.Time {
	var now unix.Timespec
	// It cannot fail: the clock exists since 2.6.39 and the pointer is ours.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return event.Time(now.Nano())
}
