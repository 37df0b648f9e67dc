// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// WatchDial makes every connect() to an address in a namespace an event.Dial from now
// on. The kernel remembers some thousands of addresses and forgets the one least lately
// dialled. It errs with ErrBlind where the hook is not attached.
func (k *Kernel) WatchDial(id event.Netns, to netip.Addr) error {
	if k.dials == nil {
		return fmt.Errorf("watch dials to %s: %w", to, ErrBlind)
	}
	key := wire.DialKey{Netns: uint32(id), Destination: to.As16()}
	err := k.dials.Update(&key, &wire.DialRow{}, ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("watch dials to %s: %w", to, err)
	}
	return nil
}
