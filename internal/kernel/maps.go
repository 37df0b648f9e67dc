// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// The maps that objects share, by their names in bpf/.
const (
	mapEvents   = "events"        // emit.h
	mapLosses   = "losses"        // emit.h
	mapSeen     = "seen"          // emit.h
	mapWatch    = "netns_watch"   // emit.h
	mapLast     = "fib_last"      // fib.h
	mapFailures = "port_failures" // port.h
	mapOwner    = "tcp_owner"     // owner.h
)

func sharedNames() []string {
	return []string{mapEvents, mapLosses, mapSeen, mapWatch, mapLast, mapFailures, mapOwner}
}

// shared are the maps made once and handed to every object.
type shared struct {
	maps map[string]*ebpf.Map
	// narrow is whether only the namespaces in mapWatch are looked at.
	narrow bool
}

func newShared(netns []event.Netns) (*shared, error) {
	s := &shared{maps: map[string]*ebpf.Map{}, narrow: len(netns) > 0}
	if err := s.fill(netns); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *shared) fill(netns []event.Netns) error {
	specs, err := sharedSpecs()
	if err != nil {
		return err
	}
	for _, name := range sharedNames() {
		made, err := ebpf.NewMap(specs[name])
		if errors.Is(err, unix.EPERM) {
			return refusedMap(err)
		}
		if err != nil {
			return fmt.Errorf("make map %s: %w", name, err)
		}
		s.maps[name] = made
	}
	for _, id := range netns {
		if err := s.watch(id); err != nil {
			return err
		}
	}
	return nil
}

// refusedMap says what a kernel wants that refuses a map to a process with the
// capabilities for it: before 5.11 room in the locked memory, else another
// user namespace.
func refusedMap(err error) error {
	var limit unix.Rlimit
	version, unknown := features.LinuxVersionCode()
	if unknown == nil && version < unaccounted && unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur != unix.RLIM_INFINITY {
		return fmt.Errorf("%w: this kernel counts maps as locked memory, of which %d KiB are allowed, and CAP_SYS_RESOURCE to raise that is missing: "+
			"grant it, or set LimitMEMLOCK=infinity (ulimit -l unlimited)", ErrPrivilege, limit.Cur>>10)
	}
	return fmt.Errorf("%w: the kernel refuses BPF maps: CAP_BPF is needed outside of any user namespace: %w", ErrPrivilege, err)
}

// unaccounted is the first kernel that does not count maps as locked memory: 5.11.
const unaccounted = 5<<16 | 11<<8

// sharedSpecs finds each shared map in the objects that declare it.
func sharedSpecs() (map[string]*ebpf.MapSpec, error) {
	found := map[string]*ebpf.MapSpec{}
	for _, h := range hook.Table() {
		spec, err := h.Object()
		if err != nil {
			return nil, fmt.Errorf("read the object of %s: %w", h.Name, err)
		}
		for _, name := range sharedNames() {
			if m, ok := spec.Maps[name]; ok {
				found[name] = m
			}
		}
	}
	return found, nil
}

// replacements gives those shared maps that an object declares.
func (s *shared) replacements(spec *ebpf.CollectionSpec) map[string]*ebpf.Map {
	used := map[string]*ebpf.Map{}
	for name, m := range s.maps {
		if _, ok := spec.Maps[name]; ok {
			used[name] = m
		}
	}
	return used
}

func (s *shared) watch(id event.Netns) error {
	if err := s.maps[mapWatch].Put(uint32(id), uint8(1)); err != nil {
		return fmt.Errorf("watch network namespace %d: %w", id, err)
	}
	return nil
}

func (s *shared) close() error {
	var all []error
	for _, m := range s.maps {
		all = append(all, m.Close())
	}
	return errors.Join(all...)
}
