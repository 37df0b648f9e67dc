// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import (
	"fmt"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// notice is a Base Event (class 0), which OCSF keeps for what no class of its own is for:
// what the agent tells of its own state.
type notice struct {
	ActivityID   int      `json:"activity_id"`
	ActivityName string   `json:"activity_name"`
	CategoryUID  int      `json:"category_uid"`
	CategoryName string   `json:"category_name"`
	ClassUID     int      `json:"class_uid"`
	ClassName    string   `json:"class_name"`
	TypeUID      int      `json:"type_uid"`
	TypeName     string   `json:"type_name"`
	Time         int64    `json:"time"`
	Count        uint64   `json:"count,omitempty"`
	Message      string   `json:"message"`
	SeverityID   int      `json:"severity_id"`
	Severity     string   `json:"severity"`
	StatusDetail string   `json:"status_detail,omitempty"`
	Metadata     metadata `json:"metadata"`
	Device       device   `json:"device"`
	Unmapped     struct {
		Trapbpf struct {
			Agent finding.NoticeDetail `json:"agent,omitzero"`
		} `json:"trapbpf,omitzero"`
	} `json:"unmapped,omitzero"`
}

// other is OCSF's activity for what a schema does not name.
const other = 99

func appendNotice(dst []byte, r *finding.Record) ([]byte, error) {
	doc := finding.NewNoticeDocument(r)
	n := notice{
		ActivityID: other, ActivityName: string(r.Action),
		CategoryName: "Uncategorized", ClassName: "Base Event",
		TypeUID: other, TypeName: "Base Event: Other",
		Time: millis(doc.Timestamp), Count: r.Notice.Count,
		Message: doc.Message, StatusDetail: doc.Error.Message,
		Metadata: metadata{
			Version: schemaVersion, UID: r.ID, EventCode: string(r.Action), LogName: doc.Event.Dataset, LogLevel: doc.Log.Level,
			Product: product{Name: "trapbpf", VendorName: "trapbpf", Version: doc.Observer.Version},
		},
		Device: deviceOf(doc.Host.Name, doc.Host.OS.Kernel),
	}
	n.SeverityID, n.Severity = severityOf(r.Severity)
	n.Unmapped.Trapbpf.Agent = doc.Trapbpf.Agent
	line, err := finding.EncodeJSON(n)
	if err != nil {
		return dst, fmt.Errorf("encode record %s as OCSF: %w", r.ID, err)
	}
	return append(append(dst, line...), '\n'), nil
}
