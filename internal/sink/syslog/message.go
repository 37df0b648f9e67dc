// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package syslog

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Severities of RFC 5424, section 6.2.1.
const (
	critical = 2
	failure  = 3
	warning  = 4
	notice   = 5
	inform   = 6
)

// head is what begins every message of this process.
type head struct {
	facility int
	host     string
	pid      int
}

// facilities are the words for the numbers of RFC 5424, in their order.
func facilities() []string {
	return []string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
}

func facilityOf(word string) (int, error) {
	if word == "" {
		word = "local0"
	}
	number := slices.Index(facilities(), word)
	if number < 0 {
		return 0, fmt.Errorf("unknown facility %q: give one such as daemon or local0", word)
	}
	return number, nil
}

// stamp is RFC 3339 with microseconds, which RFC 5424 allows at most.
const stamp = "2006-01-02T15:04:05.000000Z07:00"

// append appends a message: header, no structured data, and the encoded record as UTF-8
// without a byte order mark, since JSON parsers trip over one.
func (h head) append(dst []byte, e sink.Entry) []byte {
	dst = fmt.Appendf(dst, "<%d>1 ", h.facility*8+severityOf(e))
	dst = e.Time.UTC().AppendFormat(dst, stamp)
	dst = append(dst, ' ')
	dst = appendName(dst, h.host)
	dst = append(dst, " trapbpf "...)
	dst = strconv.AppendInt(dst, int64(h.pid), 10)
	dst = append(dst, ' ')
	dst = appendName(dst, string(e.Action))
	dst = append(dst, " - "...)
	return append(dst, e.Line...)
}

// appendName appends a header field: printable ASCII without spaces, "-" where empty.
func appendName(dst []byte, name string) []byte {
	const longest = 255
	start := len(dst)
	for i := range min(len(name), longest) {
		if c := name[i]; c > ' ' && c < 0x7f {
			dst = append(dst, c)
		}
	}
	if len(dst) == start {
		return append(dst, '-')
	}
	return dst
}

func severityOf(e sink.Entry) int {
	switch {
	case e.Action == finding.Closed:
		return inform
	case e.Severity >= finding.Critical:
		return critical
	case e.Severity >= finding.High:
		return failure
	case e.Severity >= finding.Medium:
		return warning
	default:
		return notice
	}
}
