// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/trapbpf/trapbpf/internal/sink"
)

// form is how a request is written and its answer read.
type form struct {
	mediaType string
	append    func(body *bytes.Buffer, e sink.Entry)
	// judge tells how many entries were taken, where the answer's status says that
	// some may have been.
	judge func(answer []byte, entries int) (int, error)
}

func formOf(body string) form {
	switch body {
	case "splunk":
		return form{mediaType: "application/json", append: appendSplunk, judge: all}
	case "elastic":
		return form{mediaType: "application/x-ndjson", append: appendElastic, judge: judgeElastic}
	default:
		return form{mediaType: "application/x-ndjson", append: appendLine, judge: all}
	}
}

func all(_ []byte, entries int) (int, error) { return entries, nil }

func appendLine(body *bytes.Buffer, e sink.Entry) {
	body.Write(e.Line)
	body.WriteByte('\n')
}

// appendSplunk wraps an entry for the HTTP Event Collector's event endpoint. An
// encoding that is not JSON goes as a string.
func appendSplunk(body *bytes.Buffer, e sink.Entry) {
	body.WriteString(`{"time":`)
	body.WriteString(strconv.FormatFloat(float64(e.Time.UnixMicro())/1e6, 'f', 6, 64))
	body.WriteString(`,"source":"trapbpf","sourcetype":"_json","event":`)
	if json.Valid(e.Line) {
		body.Write(e.Line)
	} else {
		text, _ := json.Marshal(string(e.Line)) // a string has no way to fail
		body.Write(text)
	}
	body.WriteString("}\n")
}

// appendElastic asks to create a document whose id is the record's: what was sent twice
// is there once.
func appendElastic(body *bytes.Buffer, e sink.Entry) {
	fmt.Fprintf(body, `{"create":{"_id":%q}}`+"\n", e.ID)
	appendLine(body, e)
}

// judgeElastic reads a bulk answer: each entry has a status of its own.
func judgeElastic(answer []byte, entries int) (int, error) {
	var bulk struct {
		Errors bool `json:"errors"`
		Items  []map[string]struct {
			Status int             `json:"status"`
			Error  json.RawMessage `json:"error"`
		} `json:"items"`
	}
	if err := json.Unmarshal(answer, &bulk); err != nil {
		return 0, fmt.Errorf("read the bulk answer: %w", err)
	}
	if !bulk.Errors {
		return entries, nil
	}
	for i, item := range bulk.Items[:min(len(bulk.Items), entries)] {
		for _, of := range item {
			switch {
			case of.Status/100 == 2, of.Status == http.StatusConflict: // it is there already
			case of.Status == http.StatusTooManyRequests || of.Status/100 == 5:
				return i, fmt.Errorf("entry answered with %d%s", of.Status, quoted(of.Error))
			default:
				return i, &sink.Refusal{Err: fmt.Errorf("entry answered with %d%s", of.Status, quoted(of.Error))}
			}
		}
	}
	return entries, nil
}
