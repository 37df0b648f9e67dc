// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"fmt"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/vishvananda/netlink"
)

type link finding.LinkOp

func (l link) apply() error {
	found, err := device(l.Dev)
	if err != nil {
		return err
	}
	return netlink.LinkSetMTU(found, int(l.MTU))
}

func (l link) restore() (finding.Op, error) {
	found, err := device(l.Dev)
	if err != nil {
		return nil, err
	}
	return finding.LinkOp{Dev: l.Dev, MTU: uint32(found.Attrs().MTU)}, nil
}

func device(name string) (netlink.Link, error) {
	found, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", name, err)
	}
	return found, nil
}
