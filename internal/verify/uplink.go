// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	// uplinkPatience is for how long a connection may wait: a SYN that is lost is sent
	// again after a second (RFC 6298).
	uplinkPatience = 2500 * time.Millisecond
	// uplinkTries is how many connections must be made by the way that failed.
	uplinkTries = 3
)

// uplink is mended where no other default route has the rank of the one by which
// connections failed, or where the peer answers by it. What the finding speaks of is dialled
// by each of the interfaces.
func (j *job) uplink() (Verdict, error) {
	survey, err := j.Host.Survey(j.at)
	if err != nil {
		return Unverified, err
	}
	failing, flow := j.Finding.Egress, j.Finding.Flow
	there, rivals := rivalsOf(failing, flow.Destination.Is6(), survey.Routes.Defaults)
	switch {
	case there == 0:
		j.says("no default route leaves by %s any more", failing)
		return Mended, nil
	case len(rivals) == 0 && there == 1:
		j.says("the default route by %s has a metric of its own", failing)
		return Mended, nil
	case there > 1:
		j.says("%d default routes of one metric leave by %s: which of them a connection takes shows in traffic alone", there, failing)
		return Unverified, nil
	}
	j.says("the default route by %s has the same metric as that by %s", failing, strings.Join(rivals, ", "))
	return j.compare(failing, rivals, netip.AddrPortFrom(flow.Destination, flow.DestinationPort))
}

// compare dials a peer by the interface that failed, and by the others where it is silent:
// a peer that answers nobody tells nothing.
func (j *job) compare(failing string, rivals []string, peer netip.AddrPort) (Verdict, error) {
	j.progress("dialling " + peer.String() + " by " + failing)
	defer j.progress("")
	answers := 0
	for answers < uplinkTries {
		answered, err := j.dialBy(failing, peer)
		if err != nil {
			return Unverified, err
		}
		if !answered {
			break
		}
		answers++
	}
	if answers == uplinkTries {
		j.says("%s answered %d of %d connections by %s", peer, answers, uplinkTries, failing)
		return Mended, nil
	}
	for _, other := range rivals {
		answered, err := j.dialBy(other, peer)
		if err != nil {
			return Unverified, err
		}
		if answered {
			j.says("%s answers by %s, and not by %s", peer, other, failing)
			return There, nil
		}
	}
	j.says("%s answers neither by %s nor by %s: it may be dead itself", peer, failing, strings.Join(rivals, ", "))
	return Unverified, nil
}

// dialBy opens a connection that leaves by an interface, and closes it. A refusal is an
// answer, too. The error is the context's, or that the namespace cannot be entered.
func (j *job) dialBy(iface string, peer netip.AddrPort) (answered bool, err error) {
	ctx, cancel := context.WithTimeout(j.ctx, uplinkPatience)
	defer cancel()
	var failed error
	err = j.Host.Visit(j.at, func() error {
		dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			var bound error
			err := raw.Control(func(fd uintptr) { bound = unix.BindToDevice(int(fd), iface) })
			return errors.Join(err, bound)
		}}
		conn, err := dialer.DialContext(ctx, "tcp", peer.String())
		if err == nil {
			err = conn.Close()
		}
		failed = err
		return nil
	})
	if err == nil {
		err = j.ctx.Err()
	}
	return failed == nil || errors.Is(failed, unix.ECONNREFUSED), err
}

// rivalsOf counts the default routes and hops that leave by an interface, of the rank
// in which it has most rivals, and names the other interfaces of that rank.
func rivalsOf(iface string, six bool, defaults []event.Route) (there int, rivals []string) {
	type rank struct{ table, metric uint32 }
	devices := map[rank][]string{}
	for _, r := range defaults {
		if r.IPv6 == six {
			devices[rank{r.Table, r.Metric}] = append(devices[rank{r.Table, r.Metric}], devicesOf(r.Text)...)
		}
	}
	for _, all := range devices {
		own, others := 0, []string(nil)
		for _, device := range all {
			if device == iface {
				own++
			} else {
				others = append(others, device)
			}
		}
		if own > 0 && (there == 0 || len(others) > len(rivals)) {
			there, rivals = own, others
		}
	}
	return there, rivals
}

// devicesOf gives the interfaces that a route in the form of ip-route(8) leaves by, one
// for each hop.
func devicesOf(text string) (devices []string) {
	words := strings.Fields(text)
	for i := 0; i+1 < len(words); i++ {
		if words[i] == "dev" {
			devices = append(devices, words[i+1])
		}
	}
	return devices
}
