// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// attach attaches one loaded program the way that its section names.
func (r *row) attach(spec *ebpf.ProgramSpec) error {
	program := r.collection.Programs[spec.Name]
	how, where, _ := strings.Cut(spec.SectionName, "/")
	if how == "iter" {
		return r.attachIterator(program)
	}
	if strings.HasPrefix(how, "cgroup") {
		return r.attachCgroup(spec.AttachType, program)
	}
	made, err := attachAt(how, where, program)
	if err != nil {
		return fmt.Errorf("attach %s: %w", where, err)
	}
	r.links = append(r.links, made)
	return nil
}

func (r *row) attachIterator(program *ebpf.Program) error {
	iterator, err := link.AttachIter(link.IterOptions{Program: program})
	if err != nil {
		return fmt.Errorf("attach iterator: %w", err)
	}
	r.iterator = iterator
	r.links = append(r.links, iterator)
	return nil
}

func attachAt(how, where string, program *ebpf.Program) (link.Link, error) {
	switch how {
	case "tp_btf", "fentry", "fexit":
		return link.AttachTracing(link.TracingOptions{Program: program})
	case "raw_tp":
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: where, Program: program})
	}
	// What is left is found through tracefs.
	if err := mountTracefs(); err != nil {
		return nil, err
	}
	switch how {
	case "kprobe":
		return link.Kprobe(where, program, nil)
	case "kretprobe":
		return link.Kretprobe(where, program, nil)
	case "tracepoint":
		group, name, _ := strings.Cut(where, "/")
		return link.Tracepoint(group, name, program, nil)
	default:
		return nil, fmt.Errorf("no way to attach a section %q", how)
	}
}
