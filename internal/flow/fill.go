// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

// Fill is how full a table is.
type Fill struct {
	// Table is its name, one of a fixed few.
	Table          string
	Entries, Limit int
	// Evicted counts entries that were pushed out because the table was full.
	Evicted uint64
}

// Fill tells how full the table is, under a name.
func (t *Table[K, V]) Fill(name string) Fill {
	return Fill{Table: name, Entries: t.Len(), Limit: t.limit, Evicted: t.evicted}
}

// Fill tells how full the table is, under a name.
func (c *Counts[K]) Fill(name string) Fill { return c.seen.Fill(name) }

// Fills tells how full the tables of the host's facts are.
func (f *Facts) Fills() []Fill {
	return []Fill{
		f.namespaces.Fill("namespaces"), f.processes.Fill("processes"), f.resolvers.Fill("resolvers"),
		f.Paths.paths.Fill("paths"), f.Paths.holes.Fill("holes"), f.Paths.drops.Fill("path-drops"),
	}
}

// Fills tells how full the tables of DNS exchanges are.
func (x *Exchanges) Fills() []Fill {
	return []Fill{x.asked.Fill("asked"), x.missed.Fill("missed"), x.first.Fill("first")}
}

// Fills tells how full the tables of names are.
func (t *Names) Fills() []Fill {
	return []Fill{t.names.Fill("names"), t.holders.Fill("holders")}
}
