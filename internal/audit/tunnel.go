// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// checkTunnels compares each tunnel's MTU with what is left of its underlay's after
// the tunnel's own headers, and on the hosts of an overlay the pods' links with the
// tunnel.
func checkTunnels(s *scene) (wrong []Result, looked []string) {
	for i := range s.Devices {
		d := &s.Devices[i]
		if !d.Up || d.Overhead == 0 || d.Under.MTU == 0 {
			continue
		}
		room := d.Under.MTU - min(d.Under.MTU, d.Overhead)
		looked = append(looked, fmt.Sprintf("%s (%s): MTU %d; %s under it has %d, less %d for headers is %d",
			d.Name, d.Type, d.MTU, d.Under.Name, d.Under.MTU, d.Overhead, room))
		if d.MTU > room && s.inUse(d) {
			wrong = append(wrong, s.tooLarge(d, room, looked[len(looked)-1]))
			continue
		}
		wrong = append(wrong, s.podsAbove(d)...)
	}
	if len(looked) == 0 {
		looked = []string{"there is no tunnel"}
	}
	return wrong, looked[:min(len(looked), told)]
}

// inUse tells whether packets can leave by a tunnel at its own MTU: it is a bridge's
// port, or a route without a smaller MTU goes by it. Cilium steers packets into its
// tunnel by other means, with the MTU set on the pods' routes.
func (s *scene) inUse(d *host.Device) bool {
	small := 0
	for _, one := range s.Routes.Sized {
		if one.Index == d.Index && one.Route.MTU < d.MTU {
			small++
		}
	}
	return d.Master != 0 || s.Routes.Users[d.Index] > small
}

func (s *scene) tooLarge(d *host.Device, room uint32, sizes string) Result {
	r := Result{
		Level: Risk, Subject: d.Name,
		Message:  fmt.Sprintf("the tunnel %s takes packets of %d bytes, and only %d fit through %s", d.Name, d.MTU, room, d.Under.Name),
		Evidence: []string{sizes},
		Verify:   []finding.Step{s.place.Look("must show the smaller mtu", "ip -d link show dev %s", d.Name)},
	}
	s.fixMTU(d, room, &r)
	return r
}

// podsAbove looks for pods' links, on a host that routes them into an overlay, which
// take more than the overlay does.
func (s *scene) podsAbove(overlay *host.Device) []Result {
	if !slices.Contains([]string{"vxlan", "geneve", "ipip"}, overlay.Type) || !s.Settings.Forwards || s.Routes.Users[overlay.Index] == 0 {
		return nil
	}
	var wrong []Result
	for i := range s.Devices {
		d := &s.Devices[i]
		pod := d.Type == "bridge" || d.Type == "veth" && d.PeerNetns >= 0 && d.Master == 0
		if !pod || !d.Running || d.MTU <= overlay.MTU || len(wrong) == told || s.capped(overlay) {
			continue
		}
		r := Result{
			Level: Risk, Subject: d.Name,
			Message: fmt.Sprintf("%s hands on packets of %d bytes, and the overlay %s takes %d", d.Name, d.MTU, overlay.Name, overlay.MTU),
			Evidence: []string{
				fmt.Sprintf("%s (%s) has MTU %d, %s (%s) has %d, and %d routes go by it", d.Name, d.Type, d.MTU, overlay.Name, overlay.Type, overlay.MTU, s.Routes.Users[overlay.Index]),
				"pods then rely on path MTU discovery for each of their connections",
			},
			Verify: []finding.Step{s.place.Look("must be no larger than the overlay's", "ip link show dev %s", d.Name)},
		}
		s.fixMTU(d, overlay.MTU, &r)
		wrong = append(wrong, r)
	}
	return wrong
}

// capped tells whether the firewall keeps the MSS of what goes through small enough.
func (s *scene) capped(*host.Device) bool { return s.rules != nil && len(s.rules.Clamps) > 0 }

// keepMTU tells how a link's MTU is held over a reboot.
func (s *scene) keepMTU(d *host.Device, mtu uint32) []finding.Step {
	if !s.place.Own {
		return []finding.Step{trap.Note("set the MTU where this network namespace is made: the CNI's configuration, the compose file")}
	}
	steps := []finding.Step{
		trap.Note("netplan, under %s: mtu: %d", d.Name, mtu),
		trap.Note("systemd-networkd, in the .network file of %s: [Link] MTUBytes=%d", d.Name, mtu),
		trap.Note("NetworkManager: nmcli connection modify NAME 802-3-ethernet.mtu %d", mtu),
	}
	if d.Type == "vxlan" || d.Type == "ipip" || d.Type == "geneve" {
		steps = append(steps, trap.Note("on a Kubernetes node the CNI sets it: Calico `mtu` in the Installation or FELIX_IPINIPMTU/FELIX_VXLANMTU, Flannel computes it at its start, Cilium `mtu`"))
	}
	return steps
}
