// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const confLogMartians = 11 - 1 // IPV4_DEVCONF_LOG_MARTIANS

// surveyDevices lists the devices with their addresses, and finds for each tunnel the
// device that carries it.
func (s *Survey) surveyDevices() error {
	found, err := dump(unix.RTM_GETLINK, linkRequest(0), parseDevice)
	if err != nil {
		return err
	}
	s.Devices = found
	body := []nl.NetlinkRequestData{nl.NewIfInfomsg(unix.AF_UNSPEC)}
	held, err := dump(unix.RTM_GETADDR, body, parseAddress)
	if err != nil {
		return err
	}
	at := make(map[uint32]int, len(found))
	for i := range found {
		at[found[i].Index] = i
	}
	for _, one := range held {
		if i, ok := at[one.index]; ok {
			found[i].Prefixes = append(found[i].Prefixes, one.prefix)
		}
	}
	for i := range found {
		if d := &found[i]; d.Overhead != 0 && d.Up {
			d.Under = underOf(linkAt(d.Index))
		}
	}
	return nil
}

// parseDevice reads an RTM_NEWLINK, for IFLA_LINK_NETNSID too: where that is there,
// the other end of a veth, or what a tunnel was made on, is in another namespace.
func parseDevice(msg []byte) (Device, bool) {
	plain, ok := parseLink(msg)
	if !ok {
		return Device{}, false
	}
	const carrier = unix.IFF_LOWER_UP | unix.IFF_UP
	d := Device{
		Interface: plain,
		Running:   binary.NativeEndian.Uint32(msg[8:])&carrier == carrier,
		PeerNetns: -1,
	}
	t := tunnel{kind: plain.Type}
	var lower uint32
	for kind, value := range attributes(msg[unix.SizeofIfInfomsg:]) {
		switch kind {
		case unix.IFLA_MASTER:
			d.Master = number(value)
		case unix.IFLA_LINK:
			lower = number(value)
		case unix.IFLA_LINK_NETNSID:
			d.PeerNetns = int32(number(value))
		case unix.IFLA_LINKINFO:
			t.takeInfo(value)
		case unix.IFLA_AF_SPEC:
			d.LogMartians = inetSetting(value, confLogMartians) != 0
		}
	}
	if plain.Type == "veth" {
		d.Peer = lower
	}
	d.Overhead = t.overhead()
	return d, true
}

// inetSetting picks one IPv4 setting out of IFLA_AF_SPEC.
func inetSetting(families []byte, index int) uint32 {
	for family, settings := range attributes(families) {
		if family != unix.AF_INET {
			continue
		}
		for kind, values := range attributes(settings) {
			if kind == inetConf {
				return setting(values, index)
			}
		}
	}
	return 0
}
