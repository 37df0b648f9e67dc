// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"
)

func TestReasonsAreFoundByNameWhateverTheirNumber(t *testing.T) {
	r := takeReasons([]btf.EnumValue{
		{Name: "SKB_NOT_DROPPED_YET", Value: 0},
		{Name: "SKB_DROP_REASON_IP_RPFILTER", Value: 300},
		{Name: "SKB_DROP_REASON_NO_SOCKET", Value: 3},
		{Name: "SKB_DROP_REASON_SUBSYS_MASK", Value: 0xffff0000},
	}, []string{"IP_RPFILTER", "IP_LOCAL_SOURCE"})
	if r.wanted[300] == 0 || r.wanted[3] != 0 {
		t.Errorf("wanted: 300 is %d, 3 is %d", r.wanted[300], r.wanted[3])
	}
	if !slices.Equal(r.untold, []string{"IP_LOCAL_SOURCE"}) {
		t.Errorf("untold: %v", r.untold)
	}
	if r.name(300) != "IP_RPFILTER" || r.name(0) != "SKB_NOT_DROPPED_YET" || r.name(77) != "REASON_77" {
		t.Errorf("names: %q, %q, %q", r.name(300), r.name(0), r.name(77))
	}
}

func TestThisKernelTellsItsReasons(t *testing.T) {
	if supported() != nil {
		t.Skip("the kernel shows no types")
	}
	r, err := readReasons(btf.NewCache(), watched())
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, w := range r.wanted {
		if w != 0 {
			known++
		}
	}
	if known+len(r.untold) != len(watched()) {
		t.Errorf("%d known and %v unknown of %v", known, r.untold, watched())
	}
	if r.told && known == 0 {
		t.Error("the kernel tells reasons, but none that is watched")
	}
}
