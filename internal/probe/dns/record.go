// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/decode"
)

// record is one record as text, safe to show.
type record struct {
	owner string
	kind  dnsmessage.Type
	// ttl is in seconds.
	ttl  uint32
	data string
	// addr is the address of an A or AAAA record.
	addr netip.Addr
}

func newRecord(r *dnsmessage.Resource) record {
	made := record{owner: decode.Name(&r.Header.Name), kind: r.Header.Type, ttl: r.Header.TTL}
	if made.ttl > 1<<31-1 { // RFC 2181, 8
		made.ttl = 0
	}
	switch body := r.Body.(type) {
	case *dnsmessage.AResource:
		made.addr = netip.AddrFrom4(body.A)
	case *dnsmessage.AAAAResource:
		made.addr = netip.AddrFrom16(body.AAAA)
	default:
		made.data = textOf(r.Body)
		return made
	}
	made.data = made.addr.String()
	return made
}

func textOf(body dnsmessage.ResourceBody) string {
	switch body := body.(type) {
	case *dnsmessage.CNAMEResource:
		return decode.Name(&body.CNAME)
	case *dnsmessage.NSResource:
		return decode.Name(&body.NS)
	case *dnsmessage.PTRResource:
		return decode.Name(&body.PTR)
	case *dnsmessage.MXResource:
		return fmt.Sprintf("%d %s", body.Pref, decode.Name(&body.MX))
	case *dnsmessage.SRVResource:
		return fmt.Sprintf("%d %d %d %s", body.Priority, body.Weight, body.Port, decode.Name(&body.Target))
	case *dnsmessage.SOAResource:
		return fmt.Sprintf("%s %s %d", decode.Name(&body.NS), decode.Name(&body.MBox), body.Serial)
	case *dnsmessage.TXTResource:
		return quoted(body.TXT)
	case *dnsmessage.HTTPSResource:
		return binding(&body.SVCBResource)
	case *dnsmessage.SVCBResource:
		return binding(body)
	case *dnsmessage.UnknownResource:
		return fmt.Sprintf(`\# %d %s`, len(body.Data), hex.EncodeToString(body.Data)) // RFC 3597, 5
	default:
		return ""
	}
}

func quoted(texts []string) string {
	list := make([]string, 0, len(texts))
	for _, text := range texts {
		list = append(list, strconv.QuoteToASCII(text))
	}
	return strings.Join(list, " ")
}

func binding(b *dnsmessage.SVCBResource) string {
	text := fmt.Sprintf("%d %s", b.Priority, decode.Name(&b.Target))
	for _, p := range b.Params {
		text += fmt.Sprintf(" key%d=%s", p.Key, hex.EncodeToString(p.Value))
	}
	return text
}
