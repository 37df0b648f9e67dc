// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import "strings"

// Search says which names a program asks for when it is given one without a dot at its
// end (resolv.conf(5), search and ndots). A probe asks for the name as it is.
type Search struct {
	Ndots  int      `json:"ndots"`
	Search []string `json:"search,omitempty"`
	// WouldTry are the names in the order in which glibc tries them, until one exists.
	WouldTry []string `json:"would_try"`
	// Before is how many of them come before the name itself, and Questions how many
	// questions they cost where both A and AAAA are asked for.
	Before    int `json:"tried_before_the_name"`
	Questions int `json:"questions_before_the_name"`
}

// families is how many questions getaddrinfo(3) asks for one name: A and AAAA.
const families = 2

// NewSearch tells what becomes of a name, as it was typed, under a search list. It is
// nil where the list plays no part: the name is absolute, or tried as it is at first.
func NewSearch(typed string, ndots int, search []string) *Search {
	if strings.HasSuffix(typed, ".") || strings.Count(typed, ".") >= ndots || len(search) == 0 {
		return nil
	}
	s := &Search{Ndots: ndots, Search: search}
	for _, suffix := range search {
		s.WouldTry = append(s.WouldTry, strings.ToLower(typed)+"."+suffix+".")
	}
	s.Before = len(s.WouldTry)
	s.Questions = families * s.Before
	s.WouldTry = append(s.WouldTry, strings.ToLower(typed)+".")
	return s
}
