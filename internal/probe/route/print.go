// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
)

// Print writes the report for people.
func (r *Report) Print(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "forward\t%s -> %s\t%s\n", name(r.From), r.Target, r.Forward.text())
	fmt.Fprintf(table, "reverse\t%s -> %s\t%s\n", r.Target, name(r.From), r.Reverse.text())
	for _, rule := range r.Rules {
		fmt.Fprintf(table, "rule\t%s\t\n", rule)
	}
	if len(r.Arrivals) > 0 {
		fmt.Fprint(table, "\nA PACKET FROM THE TARGET BY\tRP_FILTER\tVERDICT\n")
	}
	for _, one := range r.Arrivals {
		fmt.Fprintf(table, "%s\t%d\t%s\n", one.Iface, one.RPFilter, one.text())
	}
	if r.Hops != nil {
		r.Hops.print(table)
	}
	return table.Flush()
}

func (w Way) text() string {
	switch {
	case w.Error != "":
		return "no way: " + w.Error
	case w.Route == "":
		return "not asked: no address of this host is known for it"
	case w.Gateway.IsValid():
		return fmt.Sprintf("%s via %s (table %d: %s)", w.Iface, w.Gateway, w.Table, w.Route)
	default:
		return fmt.Sprintf("%s (table %d: %s)", w.Iface, w.Table, w.Route)
	}
}

func (a Arrival) text() string {
	words := string(a.Verdict)
	if a.Verdict == Unchecked {
		words = "passes: IPv6 has no rp_filter"
	}
	if a.Mark != 0 {
		words += fmt.Sprintf(" with fwmark %#x alone", a.Mark)
	}
	if a.Expected {
		words += ", and the way there leaves by it"
	}
	if a.Error != "" {
		words += ": " + a.Error
	}
	return words
}

// print sets both directions side by side.
func (h *Hops) print(to io.Writer) {
	fmt.Fprint(to, "\nHOP\tANSWERED FROM\tOUT BY\tBACK BY\n")
	rows := max(len(h.Forward), len(h.Out), len(h.Back))
	for i := range rows {
		fmt.Fprintf(to, "%d\t%s\t%s\t%s\n", i+1, at(h.Forward, i), at(h.Out, i), at(h.Back, i))
	}
	if h.Why != "" {
		fmt.Fprintf(to, "the way back is not known: %s\n", h.Why)
	}
}

func at(list []netip.Addr, i int) string {
	if i >= len(list) {
		return ""
	}
	return name(list[i])
}

func name(addr netip.Addr) string {
	if !addr.IsValid() {
		return "*"
	}
	return addr.String()
}
