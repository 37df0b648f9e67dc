// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/trapbpf/trapbpf/internal/wire"
)

// watched are the drop reasons that traps rest on, by the kernel's names, without
// their prefix. A trap that rests on another adds it here.
func watched() []string {
	return []string{
		"IP_RPFILTER",       // reverse-path filter (5.18)
		"IP_LOCAL_SOURCE",   // martian: the source is one of our own addresses (6.14)
		"IP_INVALID_SOURCE", // martian: multicast, broadcast or zero (6.14)
		"IP_LOCALNET",       // martian: 127/8 from outside (6.14)
		"PKT_TOO_BIG",       // larger than the way out takes, and not to be cut (5.18)
		"NETFILTER_DROP",    // a firewall's, of an ICMP "too big", half a connection, a strayed packet (5.18)
		"NOT_SPECIFIED",     // larger than the device: bridge, veth, tunnel, older kernels' PKT_TOO_BIG (5.17)
	}
}

const (
	reasonPrefix = "SKB_DROP_REASON_"
	// unspecified is the reason that says nothing.
	unspecified = "NOT_SPECIFIED"
	// reasonArguments are those of skb:kfree_skb where it tells the reason, the
	// context included: context, packet, location, reason.
	reasonArguments = 4
)

// reasons are the running kernel's drop reasons, and what takes the place of those that
// it does not give.
type reasons struct {
	names map[uint32]string
	// told is whether kfree_skb's tracepoint has a reason at all.
	told bool
	// unspecified is the number of the reason that says nothing.
	unspecified uint32
	// wanted marks the numbers of watched reasons, as the drop program reads it.
	wanted [wire.Reasons]uint8
	// places are where the drop program knows a reason by.
	places [placeSlots]wire.Place
	// placed are watched reasons that only the place of a drop tells, untold are those
	// that nothing does.
	placed, untold []string
}

// readReasons reads the kernel's types and marks the reasons to watch. Numbers
// differ from kernel to kernel and by distribution, so nothing but names is in the
// source.
func readReasons(cache *btf.Cache, watch []string) (reasons, error) {
	types, err := cache.Kernel()
	if err != nil {
		return reasons{}, fmt.Errorf("%w: read its types: %w", ErrUnsupported, err)
	}
	var enum *btf.Enum
	if err := types.TypeByName("skb_drop_reason", &enum); errors.Is(err, btf.ErrNotFound) {
		return untoldReasons(watch), nil
	} else if err != nil {
		return reasons{}, fmt.Errorf("read enum skb_drop_reason: %w", err)
	}
	// A distribution may have taken over the names without the argument.
	if argumentsOf(types, "btf_trace_kfree_skb") < reasonArguments {
		return untoldReasons(watch), nil
	}
	return takeReasons(enum.Values, watch), nil
}

// untoldReasons are those of a kernel that gives none: every drop is unspecified.
func untoldReasons(watch []string) reasons {
	r := takeReasons([]btf.EnumValue{{Name: unspecified, Value: uint64(wire.PlacedNone)}}, watch)
	r.told = false
	return r
}

func takeReasons(values []btf.EnumValue, watch []string) reasons {
	r := reasons{names: map[uint32]string{}, told: true, unspecified: wire.PlacedNone}
	numbers := map[string]uint32{}
	for _, v := range values {
		name := strings.TrimPrefix(v.Name, reasonPrefix)
		r.names[uint32(v.Value)] = name
		numbers[name] = uint32(v.Value)
	}
	if number, known := numbers[unspecified]; known {
		r.unspecified = number
	}
	for _, name := range watch {
		number, known := numbers[name]
		if !known || number > wire.PlacedNone {
			r.untold = append(r.untold, name)
			continue
		}
		r.wanted[number] = meaning(name)
	}
	return r
}

// What a reason means to the drop program: TB_ALWAYS, TB_BY_FIREWALL, TB_IF_OVERSIZE
// of bpf/reason.h.
const (
	always = iota + 1
	byFirewall
	ifOversize
)

// meaning says for which packets a reason matters: the kernel uses two of them for
// much that is no trap's business.
func meaning(name string) uint8 {
	switch name {
	case "NETFILTER_DROP":
		return byFirewall
	case "NOT_SPECIFIED":
		return ifOversize
	default:
		return always
	}
}

func (r *reasons) name(number uint32) string {
	if name, known := r.names[number]; known {
		return name
	}
	return fmt.Sprintf("REASON_%d", number)
}

// argumentsOf counts the parameters of a tracepoint's function type, 0 if the
// kernel's types do not tell.
func argumentsOf(types *btf.Spec, typedef string) int {
	var def *btf.Typedef
	if types.TypeByName(typedef, &def) != nil {
		return 0
	}
	pointer, ok := def.Type.(*btf.Pointer)
	if !ok {
		return 0
	}
	function, ok := pointer.Target.(*btf.FuncProto)
	if !ok {
		return 0
	}
	return len(function.Params)
}
