// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	ownInode  event.Netns = 4026531840
	blueInode event.Netns = 4026532176
	podInode  event.Netns = 4026532300
)

// fake is a host made of maps.
type fake struct {
	files  map[string]string
	lists  map[string][]string
	inodes map[string]event.Netns
	links  []event.Interface
	routes []event.Route
	rules  []string
	back   func(to, from netip.Addr) event.RouteBack
	walked []uint16
	clock  event.Time
	scans  int
	inside string // the path of the namespace that is being visited
}

func newFake() *fake {
	return &fake{
		files: map[string]string{
			confAll + "rp_filter": "1\n", confAll + "accept_local": "0\n",
			confAll + "src_valid_mark": "0\n", confAll + "route_localnet": "0\n",
			sysctlIPv4 + "ip_local_port_range": "32768\t60999\n", sysctlIPv4 + "ip_local_reserved_ports": "\n",
			sysctlIPv4 + "tcp_tw_reuse": "2\n", sysctlIPv4 + "tcp_timestamps": "1\n",
			sysctlIPv4 + "tcp_max_tw_buckets": "262144\n",
			netstatPath:                       "TcpExt: SyncookiesSent TCPTimeWaitOverflow TW\nTcpExt: 1 27 3\nIpExt: A\nIpExt: 1\n",
		},
		lists: map[string][]string{
			"/run/netns/": {"green", "blue"}, "/var/run/netns/": {"green", "blue"}, "/proc": {"self", "70", "9", "1"},
		},
		inodes: map[string]event.Netns{
			ownPath: ownInode, "/run/netns/blue": blueInode, "/var/run/netns/blue": blueInode,
			"/proc/1/ns/net": ownInode, "/proc/9/ns/net": podInode, "/proc/70/ns/net": podInode,
		},
		clock: event.Time(time.Hour),
	}
}

func (f *fake) world() World {
	return World{
		ReadFile: f.readFile, List: f.list, Inode: f.inode, Inside: f.visit,
		Now:       func() event.Time { return f.clock },
		Links:     func() ([]event.Interface, error) { return append([]event.Interface(nil), f.links...), nil },
		Defaults:  func(func(uint32) string) ([]event.Route, error) { return f.routes, nil },
		Rules:     func() ([]string, error) { return f.rules, nil },
		RouteBack: func(to, from netip.Addr) event.RouteBack { return f.back(to, from) },
		Walk: func(path string, id event.Netns, low, high uint16) (*event.PortUse, error) {
			f.walked = []uint16{low, high}
			return &event.PortUse{TimeWait: 7}, nil
		},
		Process: func(pid uint32, _ uint64) event.Process { return event.Process{PID: pid, Name: "curl"} },
	}
}

func (f *fake) readFile(path string) ([]byte, error) {
	content, ok := f.files[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(content), nil
}

func (f *fake) list(dir string) ([]string, error) {
	if dir == "/proc" {
		f.scans++
	}
	return f.lists[dir], nil
}

func (f *fake) inode(path string) (event.Netns, error) {
	inode, ok := f.inodes[path]
	if !ok {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
	}
	return inode, nil
}

func (f *fake) visit(path string, id event.Netns, do func() error) error {
	if inode, err := f.inode(path); path != "" && (err != nil || inode != id) {
		return errors.Join(ErrGone, err)
	}
	f.inside = path
	defer func() { f.inside = "" }()
	return do()
}
