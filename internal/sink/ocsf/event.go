// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ocsf

import "github.com/trapbpf/trapbpf/pkg/finding"

// The structs hold the attributes of OCSF 1.8.0 that a record fills, in the order
// in which they are written. Times are milliseconds since 1970, as timestamp_t is.

type event struct {
	ActivityID      int         `json:"activity_id"`
	ActivityName    string      `json:"activity_name"`
	CategoryUID     int         `json:"category_uid"`
	CategoryName    string      `json:"category_name"`
	ClassUID        int         `json:"class_uid"`
	ClassName       string      `json:"class_name"`
	TypeUID         int         `json:"type_uid"`
	TypeName        string      `json:"type_name"`
	Time            int64       `json:"time"`
	StartTime       int64       `json:"start_time,omitempty"`
	EndTime         int64       `json:"end_time,omitempty"`
	Duration        int64       `json:"duration,omitempty"`
	Count           uint64      `json:"count,omitempty"`
	Message         string      `json:"message"`
	SeverityID      int         `json:"severity_id"`
	Severity        string      `json:"severity"`
	StatusID        int         `json:"status_id"`
	Status          string      `json:"status"`
	StatusDetail    string      `json:"status_detail,omitempty"`
	IsAlert         bool        `json:"is_alert"`
	ConfidenceID    int         `json:"confidence_id"`
	Confidence      string      `json:"confidence"`
	ConfidenceScore int         `json:"confidence_score"`
	RiskScore       int         `json:"risk_score"`
	Metadata        metadata    `json:"metadata"`
	FindingInfo     findingInfo `json:"finding_info"`
	Evidences       []evidence  `json:"evidences,omitempty"`
	Remediation     remediation `json:"remediation,omitzero"`
	Device          device      `json:"device"`
	Resources       []resource  `json:"resources,omitempty"`
	Observables     []observed  `json:"observables,omitempty"`
	// Unmapped is where OCSF keeps what its classes have no attribute for: here all
	// of a record's own part, as the ECS line has it.
	Unmapped struct {
		Trapbpf   finding.Detail `json:"trapbpf"`
		ErrorCode string         `json:"error_code,omitempty"`
	} `json:"unmapped"`
}

type metadata struct {
	Version   string  `json:"version"`
	UID       string  `json:"uid"`
	Sequence  uint64  `json:"sequence,omitempty"`
	EventCode string  `json:"event_code"`
	LogName   string  `json:"log_name"`
	LogLevel  string  `json:"log_level"`
	Product   product `json:"product"`
}

type product struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version,omitempty"`
}

type findingInfo struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Desc          string   `json:"desc,omitempty"`
	Types         []string `json:"types"`
	Analytic      analytic `json:"analytic"`
	DataSources   []string `json:"data_sources"`
	CreatedTime   int64    `json:"created_time,omitempty"`
	ModifiedTime  int64    `json:"modified_time"`
	FirstSeenTime int64    `json:"first_seen_time,omitempty"`
	LastSeenTime  int64    `json:"last_seen_time,omitempty"`
	SrcURL        string   `json:"src_url,omitempty"`
}

type analytic struct {
	UID     string `json:"uid"`
	Name    string `json:"name,omitempty"`
	Desc    string `json:"desc,omitempty"`
	TypeID  int    `json:"type_id"`
	Type    string `json:"type"`
	Version string `json:"version,omitempty"`
}

type evidence struct {
	SrcEndpoint    endpoint   `json:"src_endpoint,omitzero"`
	DstEndpoint    endpoint   `json:"dst_endpoint,omitzero"`
	ConnectionInfo connection `json:"connection_info,omitzero"`
	Process        process    `json:"process,omitzero"`
	Container      container  `json:"container,omitzero"`
	Query          query      `json:"query,omitzero"`
}

type endpoint struct {
	IP            string `json:"ip,omitempty"`
	Port          uint16 `json:"port,omitempty"`
	InterfaceName string `json:"interface_name,omitempty"`
}

type connection struct {
	ProtocolNum  int    `json:"protocol_num,omitempty"`
	ProtocolName string `json:"protocol_name,omitempty"`
	ProtocolVer  int    `json:"protocol_ver_id,omitempty"`
	DirectionID  int    `json:"direction_id"`
	Direction    string `json:"direction,omitempty"`
	CommunityUID string `json:"community_uid,omitempty"`
}

type process struct {
	PID  uint32 `json:"pid,omitempty"`
	Name string `json:"name,omitempty"`
	File file   `json:"file,omitzero"`
}

type file struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	TypeID int    `json:"type_id"`
}

type container struct {
	UID          string `json:"uid,omitempty"`
	Name         string `json:"name,omitempty"`
	Runtime      string `json:"runtime,omitempty"`
	Orchestrator string `json:"orchestrator,omitempty"`
	PodUUID      string `json:"pod_uuid,omitempty"`
}

type query struct {
	Hostname string `json:"hostname,omitempty"`
	Type     string `json:"type,omitempty"`
}

type remediation struct {
	Desc string `json:"desc,omitempty"`
}

type device struct {
	TypeID   int    `json:"type_id"`
	Type     string `json:"type"`
	Hostname string `json:"hostname,omitempty"`
	OS       struct {
		Name          string `json:"name"`
		TypeID        int    `json:"type_id"`
		Type          string `json:"type"`
		KernelRelease string `json:"kernel_release,omitempty"`
	} `json:"os"`
}

type resource struct {
	Type string `json:"type"`
	UID  string `json:"uid,omitempty"`
	Name string `json:"name,omitempty"`
}

type observed struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}
