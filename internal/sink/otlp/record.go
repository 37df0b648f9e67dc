// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// recordOf gives an ECS record as a log record.
func recordOf(e sink.Entry) (log.Record, error) {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(e.Line))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return log.Record{}, fmt.Errorf("read the record: %w", err)
	}
	var r log.Record
	r.SetTimestamp(e.Time)
	r.SetEventName(eventName(e.Action))
	r.SetSeverity(severityOf(e))
	r.SetSeverityText(severityOf(e).String())
	if message, ok := fields["message"].(string); ok {
		r.SetBody(attribute.StringValue(message))
	}
	delete(fields, "message")
	delete(fields, "@timestamp")
	addFields(&r, "", fields)
	return r, nil
}

func eventName(a finding.Action) string {
	switch a {
	case finding.Opened:
		return "trapbpf.finding.opened"
	case finding.Closed:
		return "trapbpf.finding.resolved"
	case finding.Updated:
		return "trapbpf.finding.updated"
	default: // of the agent's own state
		return "trapbpf.agent." + string(a)
	}
}

// severityOf follows the data model's ranges: 9 to 12 INFO, 13 to 16 WARN, 17 to 20
// ERROR, 21 to 24 FATAL.
func severityOf(e sink.Entry) log.Severity {
	switch {
	case e.Action == finding.Closed:
		return log.SeverityInfo
	case e.Severity >= finding.Critical:
		return log.SeverityError3
	case e.Severity >= finding.High:
		return log.SeverityError
	case e.Severity >= finding.Medium:
		return log.SeverityWarn
	default:
		return log.SeverityInfo2
	}
}

// addFields adds nested fields by their dotted names, in the order of those.
func addFields(r *log.Record, above string, fields map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		name := above + key
		if inner, ok := fields[key].(map[string]any); ok {
			addFields(r, name+".", inner)
			continue
		}
		r.AddAttributes(attribute.KeyValue{Key: attribute.Key(name), Value: valueOf(fields[key])})
	}
}

func valueOf(v any) attribute.Value {
	switch v := v.(type) {
	case string:
		return attribute.StringValue(v)
	case bool:
		return attribute.BoolValue(v)
	case json.Number:
		return numberOf(v)
	case []any:
		items := make([]attribute.Value, len(v))
		for i, item := range v {
			items[i] = valueOf(item)
		}
		return attribute.SliceValue(items...)
	default:
		return attribute.Value{}
	}
}

func numberOf(n json.Number) attribute.Value {
	if whole, err := n.Int64(); err == nil {
		return attribute.Int64Value(whole)
	}
	if real, err := n.Float64(); err == nil {
		return attribute.Float64Value(real)
	}
	return attribute.StringValue(n.String())
}
