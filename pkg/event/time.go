// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package event

import "time"

// Time is a moment in nanoseconds since boot, time asleep included
// (CLOCK_BOOTTIME, bpf_ktime_get_boot_ns).
type Time uint64

// Sub gives t-u. It may be negative: events of different CPUs are not in order.
func (t Time) Sub(u Time) time.Duration { return time.Duration(int64(t - u)) }

// Add gives the moment d after t.
func (t Time) Add(d time.Duration) Time { return Time(int64(t) + int64(d)) }

// Tick is the clock as an event. The agent sends one four times a second; nothing
// behind it reads another clock.
type Tick struct {
	Header
	// Wall is the wall clock at Header.Time. Every time of day that a finding
	// shows is computed from the last one seen.
	Wall time.Time `json:"wall"`
}

// Kind implements Event.
func (*Tick) Kind() Kind { return KindTick }
