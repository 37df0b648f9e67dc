// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/decode"
)

// Names are kept as decode.Name gives them: without the dot at the end, lower-cased and
// escaped; the root is ".".

// Limits of RFC 1035, 2.3.4.
const (
	maxLabel = 63
	maxName  = 253
)

// ParseName reads a name as a person types it: an absolute one with or without the dot
// at its end.
func ParseName(word string) (string, error) {
	if word == "." {
		return word, nil
	}
	name := strings.ToLower(strings.TrimSuffix(word, "."))
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("name of %d characters: it may have 1 to %d", len(name), maxName)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return "", fmt.Errorf("name %+q: between its dots there may be 1 to %d characters", word, maxLabel)
		}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return "", fmt.Errorf("name %+q: give it in plain ASCII, an international one in its xn-- form", word)
	}
	return name, nil
}

// packed gives the form that goes into a message. Names with escapes come from strange
// answers only, and no server or host has one.
func packed(name string) (dnsmessage.Name, error) {
	if strings.Contains(name, `\`) {
		return dnsmessage.Name{}, errors.New("name has characters that no host's name has")
	}
	return dnsmessage.NewName(absolute(name))
}

// absolute gives a name with the dot at its end.
func absolute(name string) string { return strings.TrimSuffix(name, ".") + "." }

// within tells whether a name is the zone's or below it.
func within(name, zone string) bool {
	return zone == "." || name == zone || strings.HasSuffix(name, "."+zone)
}

// depth counts a name's labels.
func depth(name string) int {
	if name == "." {
		return 0
	}
	return strings.Count(name, ".") + 1
}

// Of a name with many labels only those that are likely to be zones are looked at: the
// top ones, and the ones next to it.
const (
	topZones    = 5
	bottomZones = 4
)

// ancestors lists the names that may be zones with this name in them, from the root down
// to the name itself.
func ancestors(name string) []string {
	list := []string{"."}
	if name == "." {
		return list
	}
	labels := strings.Split(name, ".")
	for i := len(labels) - 1; i >= 0; i-- {
		list = append(list, strings.Join(labels[i:], "."))
	}
	if len(list) > topZones+bottomZones {
		list = slices.Concat(list[:topZones], list[len(list)-bottomZones:])
	}
	return list
}

// types are the kinds of records that can be asked for.
func types() map[string]dnsmessage.Type {
	known := map[string]dnsmessage.Type{}
	for _, t := range []dnsmessage.Type{
		dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeCNAME, dnsmessage.TypeMX, dnsmessage.TypeNS,
		dnsmessage.TypePTR, dnsmessage.TypeSOA, dnsmessage.TypeTXT, dnsmessage.TypeSRV, dnsmessage.TypeHTTPS, dnsmessage.TypeSVCB,
	} {
		known[decode.TypeName(t)] = t
	}
	return known
}

// Types lists the types that can be asked for, in the order of the alphabet.
func Types() []string {
	var names []string
	for name := range types() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
