// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// mirrors pairs each C struct with its Go type.
func mirrors() map[string]reflect.Type {
	return map[string]reflect.Type{
		"tb_header":       reflect.TypeFor[Header](),
		"tb_owner":        reflect.TypeFor[Owner](),
		"tb_packet":       reflect.TypeFor[Packet](),
		"tb_lookup":       reflect.TypeFor[Lookup](),
		"tb_drop":         reflect.TypeFor[Drop](),
		"tb_drop_key":     reflect.TypeFor[DropKey](),
		"tb_drop_row":     reflect.TypeFor[DropRow](),
		"tb_failure":      reflect.TypeFor[Failure](),
		"tb_failure_row":  reflect.TypeFor[FailureRow](),
		"tb_port_key":     reflect.TypeFor[PortKey](),
		"tb_pressure_row": reflect.TypeFor[PressureRow](),
		"tb_dns":          reflect.TypeFor[DNS](),
		"tb_dial":         reflect.TypeFor[Dial](),
		"tb_dial_key":     reflect.TypeFor[DialKey](),
		"tb_dial_row":     reflect.TypeFor[DialRow](),
		"tb_connection":   reflect.TypeFor[Connection](),
		"tb_retransmit":   reflect.TypeFor[Retransmit](),
		"tb_too_big":      reflect.TypeFor[TooBig](),
		"tb_refusal":      reflect.TypeFor[Refusal](),
		"tb_walk_key":     reflect.TypeFor[WalkKey](),
		"tb_walk_row":     reflect.TypeFor[WalkRow](),
		"tb_walk":         reflect.TypeFor[Walk](),
		"tb_place":        reflect.TypeFor[Place](),
	}
}

// compiled gives the types as clang laid them out.
func compiled(t *testing.T) *btf.Spec {
	t.Helper()
	spec, err := loadC()
	if err != nil {
		t.Fatal(err)
	}
	return spec.Types
}

func TestMirrorHasTheLayoutThatClangGave(t *testing.T) {
	types := compiled(t)
	for name, mirror := range mirrors() {
		t.Run(name, func(t *testing.T) {
			var c *btf.Struct
			if err := types.TypeByName(name, &c); err != nil {
				t.Fatal(err)
			}
			if uintptr(c.Size) != mirror.Size() {
				t.Errorf("%d bytes in Go, %d in C", mirror.Size(), c.Size)
			}
			for _, member := range c.Members {
				checkMember(t, mirror, member)
			}
		})
	}
}

func checkMember(t *testing.T, mirror reflect.Type, member btf.Member) {
	t.Helper()
	field, ok := mirror.FieldByNameFunc(func(name string) bool {
		return strings.EqualFold(name, strings.ReplaceAll(member.Name, "_", ""))
	})
	if !ok {
		t.Errorf("no field for %s", member.Name)
		return
	}
	size, err := btf.Sizeof(member.Type)
	if err != nil {
		t.Fatal(err)
	}
	if field.Offset != uintptr(member.Offset.Bytes()) || field.Type.Size() != uintptr(size) {
		t.Errorf("%s at %d of %d bytes in Go, at %d of %d in C",
			member.Name, field.Offset, field.Type.Size(), member.Offset.Bytes(), size)
	}
}

func TestEveryByteOfTheWireIsSpelledOut(t *testing.T) {
	types := compiled(t)
	for name := range mirrors() {
		var c *btf.Struct
		if err := types.TypeByName(name, &c); err != nil {
			t.Fatal(err)
		}
		end := uint32(0)
		for _, member := range c.Members {
			if at := member.Offset.Bytes(); at != end {
				t.Errorf("%s: %d bytes of padding before %s", name, at-end, member.Name)
			}
			size, err := btf.Sizeof(member.Type)
			if err != nil {
				t.Fatal(err)
			}
			end = member.Offset.Bytes() + uint32(size)
		}
		if end != c.Size {
			t.Errorf("%s: %d bytes of padding at its end", name, c.Size-end)
		}
	}
}

func TestEveryStructOfTheWireHasAMirror(t *testing.T) {
	known := mirrors()
	for typ, err := range compiled(t).All() {
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := typ.(*btf.Struct); ok && strings.HasPrefix(c.Name, "tb_") && known[c.Name] == nil {
			t.Errorf("%s has no mirror that is compared", c.Name)
		}
	}
}
