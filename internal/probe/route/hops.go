// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// Hops are the routers of both directions.
type Hops struct {
	// Forward are those that answered at each distance, invalid where one did not.
	Forward []netip.Addr `json:"forward,omitempty"`
	// Reached tells that the target answered.
	Reached bool `json:"reached"`
	// Out and Back are what the packets themselves recorded (RFC 791, record route): the
	// addresses that they left by on the way there and on the way back, at most nine in
	// all. IPv6 has no such option, and many routers on the Internet drop it.
	Out  []netip.Addr `json:"out,omitempty"`
	Back []netip.Addr `json:"back,omitempty"`
	// Why says why nothing was recorded.
	Why string `json:"why,omitempty"`
}

// Bounds of the walk.
const (
	mostHops = 30
	deafHops = 4
	hopWait  = 500 * time.Millisecond
	hopTries = 2
)

// discover walks to the target by TTL and has one echo record its route. It runs on a
// thread in the namespace.
func discover(ctx context.Context, r *Report) (*Hops, error) {
	p, err := newPinger(r.Target, r.From)
	if err != nil {
		return nil, err
	}
	defer unix.Close(p.fd)
	hops := &Hops{}
	deaf := 0
	for ttl := 1; ttl <= mostHops && deaf < deafHops && !hops.Reached && ctx.Err() == nil; ttl++ {
		by, reached, err := p.hop(ttl)
		if err != nil {
			return nil, err
		}
		hops.Forward = append(hops.Forward, by)
		hops.Reached = reached
		deaf++
		if by.IsValid() {
			deaf = 0
		}
	}
	hops.record(p)
	return hops, ctx.Err()
}

// record has an echo note where it passes.
func (h *Hops) record(p *pinger) {
	switch {
	case p.to.Is6():
		h.Why = "IPv6 has no option that records a route"
	case !h.Reached:
		h.Why = "the target does not answer"
	default:
		list, err := p.recorded()
		if err != nil {
			h.Why = err.Error()
			return
		}
		h.Out, h.Back = split(list, p.to, p.from)
	}
}

// split divides a recorded route at the target, which notes itself, and leaves out both
// ends. One whose answer leaves by another of its addresses is not found: then all is
// the way out.
func split(list []netip.Addr, target, own netip.Addr) (out, back []netip.Addr) {
	turned := false
	for _, addr := range list {
		switch {
		case addr == target:
			turned = true
		case addr == own:
		case turned:
			back = append(back, addr)
		default:
			out = append(out, addr)
		}
	}
	return out, back
}

// pinger sends ICMP echo requests on a raw socket.
type pinger struct {
	fd       int
	to, from netip.Addr
	id, seq  uint16
}

func newPinger(to, from netip.Addr) (*pinger, error) {
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if to.Is6() {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return nil, fmt.Errorf("open raw socket (it needs CAP_NET_RAW): %w", err)
	}
	p := &pinger{fd: fd, to: to, from: from, id: uint16(os.Getpid())}
	// A foreign source cannot be bound: the walk is then from the host's own address.
	if from.IsValid() {
		_ = unix.Bind(fd, sockaddr(from))
	}
	return p, nil
}

func sockaddr(addr netip.Addr) unix.Sockaddr {
	if addr.Is6() {
		return &unix.SockaddrInet6{Addr: addr.As16()}
	}
	return &unix.SockaddrInet4{Addr: addr.As4()}
}

// hop asks who is at a distance.
func (p *pinger) hop(ttl int) (by netip.Addr, reached bool, err error) {
	if p.to.Is6() {
		err = unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl)
	} else {
		err = unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_TTL, ttl)
	}
	if err != nil {
		return by, false, fmt.Errorf("set TTL: %w", err)
	}
	for range hopTries {
		answer, err := p.exchange()
		if errors.Is(err, errSilent) {
			continue
		}
		if err != nil {
			return by, false, err
		}
		return answer.by, answer.echo, nil
	}
	return by, false, nil
}

// answer is what came back.
type answer struct {
	by      netip.Addr
	echo    bool
	options []byte
}

var errSilent = errors.New("no answer")

func (p *pinger) exchange() (answer, error) {
	p.seq++
	if err := p.send(); err != nil {
		return answer{}, err
	}
	until := time.Now().Add(hopWait)
	buffer := make([]byte, 2048)
	for {
		left := time.Until(until)
		if left <= 0 {
			return answer{}, errSilent
		}
		wait := unix.NsecToTimeval(left.Nanoseconds())
		if err := unix.SetsockoptTimeval(p.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
			return answer{}, fmt.Errorf("set time-out: %w", err)
		}
		size, from, err := unix.Recvfrom(p.fd, buffer, 0)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return answer{}, fmt.Errorf("receive: %w", err)
		}
		if a, ok := p.read(buffer[:size], from); ok {
			return a, nil
		}
	}
}

// send gives an error that the kernel has at once (no route, a firewall) as silence:
// it belongs to the path.
func (p *pinger) send() error {
	var kind icmp.Type = ipv4.ICMPTypeEcho
	if p.to.Is6() {
		kind = ipv6.ICMPTypeEchoRequest
	}
	message := icmp.Message{Type: kind, Body: &icmp.Echo{ID: int(p.id), Seq: int(p.seq), Data: []byte("trapbpf")}}
	packed, err := message.Marshal(nil)
	if err != nil {
		return fmt.Errorf("make echo request: %w", err)
	}
	err = unix.Sendto(p.fd, packed, 0, sockaddr(p.to))
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EPERM) {
		return errSilent
	}
	if err != nil {
		return fmt.Errorf("send echo request: %w", err)
	}
	return nil
}

// read takes an echo reply, or an error that quotes this very request.
func (p *pinger) read(packet []byte, from unix.Sockaddr) (answer, bool) {
	var a answer
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		a.by = netip.AddrFrom4(from.Addr)
		header := headerSize(packet)
		if header == 0 {
			return a, false
		}
		a.options, packet = packet[20:header], packet[header:]
	case *unix.SockaddrInet6:
		a.by = netip.AddrFrom16(from.Addr)
	}
	if len(packet) < 8 {
		return a, false
	}
	reply, expired := byte(ipv4.ICMPTypeEchoReply), byte(ipv4.ICMPTypeTimeExceeded)
	if p.to.Is6() {
		reply, expired = byte(ipv6.ICMPTypeEchoReply), byte(ipv6.ICMPTypeTimeExceeded)
	}
	switch packet[0] {
	case reply:
		a.echo = true
		return a, p.mine(packet)
	case expired:
		return a, p.mine(p.quoted(packet[8:]))
	default:
		return a, false
	}
}

// quoted skips the IP header of a quoted packet.
func (p *pinger) quoted(packet []byte) []byte {
	header := headerSize(packet)
	if p.to.Is6() {
		header = ipv6.HeaderLen
	}
	return packet[min(header, len(packet)):]
}

func (p *pinger) mine(echo []byte) bool {
	return len(echo) >= 8 && binary.BigEndian.Uint16(echo[4:]) == p.id && binary.BigEndian.Uint16(echo[6:]) == p.seq
}

// headerSize is that of an IPv4 header with its options, 0 where the packet is none.
func headerSize(packet []byte) int {
	if len(packet) < ipv4.HeaderLen || packet[0]>>4 != 4 {
		return 0
	}
	size := int(packet[0]&0xf) * 4
	if size < ipv4.HeaderLen || size > len(packet) {
		return 0
	}
	return size
}

// The record route option: kind, length, pointer, nine addresses (RFC 791, 3.1).
const (
	optionRecord = 7
	recordSize   = 3 + 9*4
	recordFirst  = 4
)

// recorded sends an echo request that collects addresses, which the target copies
// into its reply.
func (p *pinger) recorded() ([]netip.Addr, error) {
	option := make([]byte, recordSize+1) // and one byte to a multiple of four
	option[0], option[1], option[2] = optionRecord, recordSize, recordFirst
	if err := unix.SetsockoptString(p.fd, unix.IPPROTO_IP, unix.IP_OPTIONS, string(option)); err != nil {
		return nil, fmt.Errorf("ask for a recorded route: %w", err)
	}
	if err := unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_TTL, 64); err != nil {
		return nil, fmt.Errorf("set TTL: %w", err)
	}
	for range hopTries {
		a, err := p.exchange()
		if errors.Is(err, errSilent) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return addresses(a.options), nil
	}
	return nil, errors.New("packets that record their route get no answer: routers may drop them")
}

// addresses reads the option out of an answer's header.
func addresses(options []byte) []netip.Addr {
	for len(options) >= recordFirst-1 {
		switch {
		case options[0] == 1: // no operation
			options = options[1:]
			continue
		case options[0] != optionRecord:
			return nil
		}
		end := min(int(options[2])-1, int(options[1]), len(options))
		var list []netip.Addr
		for at := recordFirst - 1; at+4 <= end; at += 4 {
			list = append(list, netip.AddrFrom4([4]byte(options[at:])))
		}
		return list
	}
	return nil
}
