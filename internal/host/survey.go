// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// Survey is what an audit knows of one network namespace: settings, devices and
// routes as they were within the milliseconds of one visit.
type Survey struct {
	At Target
	// Own is true for the namespace that the agent runs in.
	Own bool

	Settings Settings
	Devices  []Device
	Routes   Routes
	Rules    []string
	// Reverse are the kernel's verdicts on packets that come in by interfaces in
	// strict mode.
	Reverse []ReverseCheck
	Sockets Sockets
	// Blind says what could not be read, and why; the rest stands.
	Blind []string
}

// Settings are the sysctls of a namespace that bear on the traps; 0 where the kernel
// does not have one.
type Settings struct {
	RPFilterAll   int
	Forwards      bool
	Forwards6     bool
	NoPMTUDisc    int
	MinPMTU       uint32
	MTUProbing    int
	BeLiberal     bool
	PortLow       uint16
	PortHigh      uint16
	Reserved      string
	ReservedCount uint32
	TWReuse       int
	Timestamps    int
	MaxTWBuckets  uint32
	TWOverflows   uint64
}

// Device is an interface as an audit sees it.
type Device struct {
	event.Interface
	// Running is true where the link is up and has a carrier.
	Running     bool
	LogMartians bool
	// Master is the index of the bridge, bond or VRF that it belongs to, 0 for none.
	Master uint32
	// Peer is a veth's other end by its index, in this namespace where PeerNetns is
	// negative, else in the one that this namespace knows by that number.
	Peer      uint32
	PeerNetns int32
	// Overhead is what a tunnel adds to each packet, in bytes; Under is the device that
	// its outer packets leave by.
	Overhead uint32
	Under    event.Link
}

// Routes sums up a namespace's tables: a router has more routes than anybody reads.
type Routes struct {
	Count    int
	Defaults []event.Route
	// Sized are the routes with an MTU of their own, at most sizedRoutes.
	Sized []SizedRoute
	// Learned are path MTUs that ICMP taught, at most learnedPaths; LearnedCount is how
	// many there are.
	Learned      []Learned
	LearnedCount int
	// Users counts the unicast routes by the index of the interface that they use.
	Users map[uint32]int
}

// SizedRoute is a route that carries an MTU.
type SizedRoute struct {
	Route  event.Route
	Index  uint32
	Locked bool
}

// Learned is a path MTU that the kernel keeps for a destination until it expires.
type Learned struct {
	Peer    netip.Addr
	MTU     uint32
	Expires time.Duration
}

// Bounds of Routes' lists.
const (
	sizedRoutes  = 256
	learnedPaths = 16
)

// Survey reads a namespace. An error means that it could not be entered or is gone;
// whatever else could not be read is told in Blind.
func (h *Host) Survey(at Target) (*Survey, error) {
	s := &Survey{At: at, Own: at.Inode == h.own}
	err := h.inside(at, func() error {
		h.surveySettings(&s.Settings)
		if err := s.surveyDevices(); err != nil {
			s.blind("interfaces", err)
		}
		h.surveyStrictness(s)
		claims, err := s.surveyRoutes()
		if err != nil {
			s.blind("routes", err)
		}
		if s.Rules, err = rules(); err != nil {
			s.blind("policy rules", err)
		}
		s.surveyReverse(claims)
		h.surveySockets(s)
		return nil
	})
	if err != nil {
		return nil, enterError(at, err)
	}
	return s, nil
}

// Visit runs do inside a namespace, on a thread that is in it.
func (h *Host) Visit(at Target, do func() error) error {
	if err := h.inside(at, do); err != nil {
		return enterError(at, err)
	}
	return nil
}

// ErrForbidden is wrapped where the agent lacks the right to enter a namespace.
var ErrForbidden = errors.New("entering a network namespace needs CAP_SYS_ADMIN (and CAP_SYS_PTRACE for a process's): run it with sudo")

func enterError(at Target, err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return fmt.Errorf("visit network namespace %d: %w", at.Inode, err)
}

func (s *Survey) blind(what string, err error) {
	s.Blind = append(s.Blind, fmt.Sprintf("%s: %v", what, err))
}

// Device gives a device by its index, nil where there is none.
func (s *Survey) Device(index uint32) *Device {
	for i := range s.Devices {
		if s.Devices[i].Index == index {
			return &s.Devices[i]
		}
	}
	return nil
}

// surveySettings reads sysctls. One that this kernel, or this namespace, does not
// have is left at zero.
func (h *Host) surveySettings(s *Settings) {
	s.RPFilterAll = h.optional(confAll + "rp_filter")
	s.Forwards = h.optional(sysctlIPv4+"ip_forward") != 0
	s.Forwards6 = h.optional(sysctlIPv6+"conf/all/forwarding") != 0
	s.NoPMTUDisc = h.optional(sysctlIPv4 + "ip_no_pmtu_disc")
	s.MinPMTU = uint32(h.optional(sysctlIPv4 + "route/min_pmtu"))
	s.MTUProbing = h.optional(sysctlIPv4 + "tcp_mtu_probing")
	s.BeLiberal = h.optional("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal") != 0
	var ports event.PortSettings
	if h.readPortSettings(&ports) != nil {
		return
	}
	s.PortLow, s.PortHigh = ports.Low, ports.High
	s.Reserved, s.ReservedCount = ports.Reserved, ports.ReservedInRange
	s.TWReuse, s.Timestamps, s.MaxTWBuckets = ports.TWReuse, ports.Timestamps, ports.MaxTWBuckets
	if netstat, err := h.world.ReadFile(netstatPath); err == nil {
		s.TWOverflows = counter(string(netstat), "TcpExt:", "TCPTimeWaitOverflow")
	}
}

// surveyStrictness gives each device the settings that the kernel really uses.
func (h *Host) surveyStrictness(s *Survey) {
	routing := &event.Routing{}
	for i := range s.Devices {
		routing.Interfaces = append(routing.Interfaces, s.Devices[i].Interface)
	}
	if err := h.combine(routing); err != nil {
		s.blind("rp_filter", err)
		return
	}
	logAll := h.optional(confAll+"log_martians") != 0
	for i := range s.Devices {
		s.Devices[i].Interface = routing.Interfaces[i]
		s.Devices[i].LogMartians = s.Devices[i].LogMartians || logAll
	}
}
