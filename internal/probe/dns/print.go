// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes a report for people: one line a server, then what it means.
func (r *Report) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LAYER\tSERVER\tANSWER\tTTL LEFT\tLATENCY\tFLAGS\tRCODE\tSTATUS")
	for i := range r.Servers {
		row := &r.Servers[i]
		fmt.Fprintln(table, strings.Join([]string{
			string(row.Layer), row.server(), row.answer(), row.holds(), fmt.Sprintf("%.1f ms", row.Latency),
			strings.Join(row.marks(), " "), dash(row.RCode), string(row.Status),
		}, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s %s: %s\n", absolute(r.Name), r.Type, r.Verdict)
	for _, say := range r.Says {
		fmt.Fprintf(w, "  %s\n", say)
	}
	if s := r.Search; s != nil {
		fmt.Fprintf(w, "  the search list was not applied: given %q, a program asks %s, in this order (ndots:%d): %d names and %d questions (A and AAAA) before the name as it is\n",
			strings.TrimSuffix(s.WouldTry[len(s.WouldTry)-1], "."), strings.Join(s.WouldTry, " "), s.Ndots, s.Before, s.Questions)
	}
	return nil
}

func (row *Row) server() string {
	text := row.Server
	if row.Port != Port {
		text = net.JoinHostPort(row.Server, strconv.Itoa(int(row.Port)))
	}
	if row.Host != "" {
		text += " " + row.Host
	}
	return text
}

func (row *Row) answer() string {
	switch {
	case row.RCode == "":
		return row.Error
	case len(row.Answers) == 0 && len(row.Aliases) > 0:
		return "alias of " + row.Aliases[len(row.Aliases)-1]
	case len(row.Answers) == 0:
		return "nothing"
	case len(row.Aliases) > 0:
		return fmt.Sprintf("%s (%s)", list(row.Answers), row.Aliases[len(row.Aliases)-1])
	default:
		return list(row.Answers)
	}
}

func (row *Row) holds() string {
	switch {
	case row.TTLLeft != nil:
		return fmt.Sprintf("%d s", *row.TTLLeft)
	case row.NegativeTTLLeft != nil:
		return fmt.Sprintf("%d s", *row.NegativeTTLLeft)
	default:
		return "-"
	}
}

// marks are the flags, and how the answer came where that was not the usual way.
func (row *Row) marks() []string {
	marks := row.Flags
	if row.RCode != "" && row.Protocol != "udp" {
		marks = append(marks[:len(marks):len(marks)], row.Protocol)
	}
	if len(marks) == 0 {
		return []string{"-"}
	}
	return marks
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
