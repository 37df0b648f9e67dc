// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
)

const (
	// tight is the share of a range from which on a destination's ports are said to run
	// out: the detector's own.
	tight = 0.8
	// reuseAfter is when tcp_tw_reuse lets connect() take over a TIME_WAIT, and for how
	// long a counter is looked at.
	reuseAfter = time.Second
	// growsFor is over how long growth is measured, timeWait how long a port is held.
	growsFor = 2 * time.Second
	timeWait = 60 * time.Second
)

// ports is mended where the range towards the destination has room. TIME_WAITs that
// connect() may take over hold no port against it.
func (j *job) ports() (Verdict, error) {
	used, size, err := j.count()
	switch {
	case err != nil || size == 0:
		return Unverified, err
	case float64(used) >= tight*float64(size):
		j.says("that is %.0f %% of the range", 100*float64(used)/float64(size))
		return There, nil
	default:
		return Mended, nil
	}
}

// running is mended where the range is not that full, nor will be within a minute if it
// fills as fast as it does now.
func (j *job) running() (Verdict, error) {
	before, _, err := j.count()
	if err != nil {
		return Unverified, err
	}
	j.progress("counting ports again")
	if err := j.wait(growsFor); err != nil {
		return Unverified, err
	}
	j.progress("")
	if verdict, err := j.ports(); verdict != Mended {
		return verdict, err
	}
	used, size, err := j.count()
	if err != nil {
		return Unverified, err
	}
	if used <= before {
		return Mended, nil
	}
	perSecond := float64(used-before) / growsFor.Seconds()
	left := float64(size-min(used, size)) / perSecond
	j.says("%.0f more a second: none is left in %.0f s", perSecond, left)
	if left <= timeWait.Seconds() { // until then no TIME_WAIT of now ends
		return There, nil
	}
	return Mended, nil
}

func (j *job) wait(d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-j.ctx.Done():
		return j.ctx.Err()
	}
}

// count gives how many ports of the range are taken towards the destination, and how many
// there are; none where that could not be read.
func (j *job) count() (used, size uint32, err error) {
	survey, err := j.Host.Survey(j.at)
	if err != nil {
		return 0, 0, err
	}
	s := &survey.Settings
	if s.PortHigh < s.PortLow || s.PortHigh == 0 {
		j.says("the port range could not be read")
		return 0, 0, nil
	}
	size = uint32(s.PortHigh) - uint32(s.PortLow) + 1 - s.ReservedCount
	waiting, live := j.held(survey)
	flow := j.Finding.Flow
	j.says("%d to %d, %d ports without the reserved ones; towards %s:%d %d are in TIME_WAIT and %d live",
		s.PortLow, s.PortHigh, size, flow.Destination, flow.DestinationPort, waiting, live)
	if s.TWReuse == 1 && s.Timestamps != 0 {
		j.says("tcp_tw_reuse is 1, with timestamps: connect() may take over TIME_WAITs older than %v", reuseAfter)
		return live, size, nil
	}
	return waiting + live, size, nil
}

// held counts the ports towards the finding's destination, whatever the source where it
// names none.
func (j *job) held(s *host.Survey) (waiting, live uint32) {
	flow := j.Finding.Flow
	for _, row := range s.Sockets.Rows {
		other := flow.Source.IsValid() && row.Source != flow.Source || flow.DestinationPort != 0 && row.Destination.Port() != flow.DestinationPort
		if row.Destination.Addr() == flow.Destination && !other {
			waiting, live = waiting+row.TimeWait, live+row.Live
		}
	}
	return waiting, live
}

// pool is mended where bind() to port 0 finds one: that is asked of the kernel, as the
// program does it, and sends nothing.
func (j *job) pool() (Verdict, error) {
	var failed error
	source := j.Finding.Flow.Source
	err := j.Host.Visit(j.at, func() error {
		failed = bindOnce(source.AsSlice())
		return nil
	})
	switch {
	case err != nil:
		return Unverified, err
	case failed == nil:
		j.says("bind() of %s to port 0 finds a port", source)
		return Mended, nil
	case errors.Is(failed, unix.EADDRINUSE):
		j.says("bind() of %s to port 0 fails: %v", source, failed)
		return There, nil
	default:
		j.says("bind() of %s to port 0 could not be tried: %v", source, failed)
		return Unverified, nil
	}
}

// bindOnce binds a TCP socket to an address, and lets go of it.
func bindOnce(addr []byte) error {
	var family int
	var to unix.Sockaddr
	switch len(addr) {
	case 4:
		family, to = unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte(addr)}
	case 16:
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte(addr)}
	default:
		return errors.New("the finding names no address")
	}
	socket, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket) // nothing was sent
	return unix.Bind(socket, to)
}

// buckets is mended where there is room for TIME_WAITs and none is refused.
func (j *job) buckets() (Verdict, error) {
	before, err := j.Host.Survey(j.at)
	if err != nil {
		return Unverified, err
	}
	j.progress("counting refused TIME_WAITs")
	if err := j.wait(reuseAfter); err != nil {
		return Unverified, err
	}
	j.progress("")
	now, err := j.Host.Survey(j.at)
	if err != nil {
		return Unverified, err
	}
	limit, refused := now.Settings.MaxTWBuckets, now.Settings.TWOverflows-before.Settings.TWOverflows
	j.says("%d TIME_WAITs, tcp_max_tw_buckets is %d, %d were refused within %v", now.Sockets.TimeWait, limit, refused, reuseAfter)
	if refused > 0 || float64(now.Sockets.TimeWait) >= tight*float64(limit) {
		return There, nil
	}
	return Mended, nil
}
