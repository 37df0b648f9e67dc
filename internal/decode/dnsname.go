// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// maxLabels bounds the interner: a megabyte of the longest names. A host asks for some
// hundred names again and again; one that makes them up starts the table anew.
const maxLabels = 4096

// labels gives the same string for the same name, without allocating, in the form that
// event.DNSQuery documents.
type labels struct {
	known map[string]string
	text  []byte
}

func newLabels() labels {
	return labels{known: map[string]string{}, text: make([]byte, 0, 4*len(dnsmessage.Name{}.Data))}
}

func (l *labels) name(raw *dnsmessage.Name) string {
	l.text = appendName(l.text[:0], raw)
	if known, ok := l.known[string(l.text)]; ok {
		return known
	}
	if len(l.known) >= maxLabels {
		clear(l.known)
	}
	made := string(l.text)
	l.known[made] = made
	return made
}

// Name gives a name in the form that event.DNSQuery documents: without the dot at its
// end, lower-cased, and escaped so that any terminal can show it.
func Name(raw *dnsmessage.Name) string { return string(appendName(nil, raw)) }

func appendName(text []byte, raw *dnsmessage.Name) []byte {
	data := raw.Data[:raw.Length]
	if len(data) > 1 && data[len(data)-1] == '.' {
		data = data[:len(data)-1]
	}
	for _, b := range data {
		text = appendPlain(text, b)
	}
	return text
}

func appendPlain(text []byte, b byte) []byte {
	switch {
	case b >= 'A' && b <= 'Z':
		return append(text, b-'A'+'a')
	case b > ' ' && b < 0x7f && b != '\\':
		return append(text, b)
	default:
		return append(text, '\\', '0'+b/100, '0'+b/10%10, '0'+b%10)
	}
}

// TypeName gives a type's mnemonic; one without is written as RFC 3597 has it.
func TypeName(t dnsmessage.Type) string {
	name, known := strings.CutPrefix(t.String(), "Type")
	if known {
		return name
	}
	return "TYPE" + name
}

// CodeName gives a response code's mnemonic (IANA's registry of DNS RCODEs).
func CodeName(code dnsmessage.RCode) string {
	names := [...]string{
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED",
		"YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI",
		16: "BADVERS", 23: "BADCOOKIE",
	}
	if int(code) < len(names) && names[code] != "" {
		return names[code]
	}
	return "RCODE" + strconv.Itoa(int(code))
}
