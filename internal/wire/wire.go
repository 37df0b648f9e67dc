// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package wire mirrors what the kernel's programs write: the samples in the ring
// and the keys and rows of the maps. The types are generated from bpf/event.h,
// which documents them; this file only gives them names to speak of.
//
// All are plain memory without pointers, in host order.
package wire

// Header begins each of the samples beside it.
type (
	Header  = cTbHeader
	Drop    = cTbDrop
	Failure = cTbFailure
	DNS     = cTbDns
	Dial    = cTbDial

	Retransmit = cTbRetransmit
	TooBig     = cTbTooBig
	Refusal    = cTbRefusal
)

// Owner and the types beside it are parts of samples and rows.
type (
	Owner  = cTbOwner
	Packet = cTbPacket
	Lookup = cTbLookup

	Connection = cTbConnection
)

// DropKey and the types beside it are the keys and rows of the maps.
type (
	DropKey     = cTbDropKey
	DropRow     = cTbDropRow
	PortKey     = cTbPortKey
	FailureRow  = cTbFailureRow
	PressureRow = cTbPressureRow
	DialKey     = cTbDialKey
	DialRow     = cTbDialRow
	WalkKey     = cTbWalkKey
	WalkRow     = cTbWalkRow
	Walk        = cTbWalk
)

// Place is one row of the drop program's list of code that drops.
type Place = cTbPlace

// Header.Kind of each sample, and the first index of the loss counters.
const (
	KindDrop     = uint32(cTbKindTB_KIND_DROP)
	KindFailure  = uint32(cTbKindTB_KIND_FAILURE)
	KindPressure = uint32(cTbKindTB_KIND_PRESSURE)
	KindDNS      = uint32(cTbKindTB_KIND_DNS)
	KindDial     = uint32(cTbKindTB_KIND_DIAL)

	KindRetransmit = uint32(cTbKindTB_KIND_RETRANSMIT)
	KindTooBig     = uint32(cTbKindTB_KIND_TOO_BIG)
	KindRefusal    = uint32(cTbKindTB_KIND_REFUSAL)
	Kinds          = uint32(cTbKindTB_KINDS)
)

// The second index of the loss counters.
const (
	StageRing = uint32(cTbStageTB_STAGE_RING)
	StageMap  = uint32(cTbStageTB_STAGE_MAP)
	Stages    = uint32(cTbStageTB_STAGES)
)

// Indices of the counters of what was seen.
const (
	SeenDrop     = uint32(cTbSeenTB_SEEN_DROP)
	SeenFailure  = uint32(cTbSeenTB_SEEN_FAILURE)
	SeenPressure = uint32(cTbSeenTB_SEEN_PRESSURE)
)

// Failure.Op and PortKey.Op.
const (
	OpConnect = uint8(cTbOpTB_OP_CONNECT)
	OpBind    = uint8(cTbOpTB_OP_BIND)
)

// Drop.Conntrack and DropRow.Conntrack.
const (
	ConntrackUnknown   = uint8(cTbConntrackTB_CONNTRACK_UNKNOWN)
	ConntrackNone      = uint8(cTbConntrackTB_CONNTRACK_NONE)
	ConntrackPresent   = uint8(cTbConntrackTB_CONNTRACK_PRESENT)
	ConntrackUntracked = uint8(cTbConntrackTB_CONNTRACK_UNTRACKED)
)

// TooBig.Way.
const (
	WayArrived  = uint8(cTbWayTB_WAY_ARRIVED)
	WayAccepted = uint8(cTbWayTB_WAY_ACCEPTED)
	WaySent     = uint8(cTbWayTB_WAY_SENT)
	WayAsked    = uint8(cTbWayTB_WAY_ASKED)
)

// Drop.Reason and DropKey.Reason where it is not the kernel's own number: what the
// place of the drop tells. Reasons is beyond all of them.
const (
	PlacedNone          = uint32(cTbPlacedTB_PLACED_NONE)
	PlacedRPFilter      = uint32(cTbPlacedTB_PLACED_RPFILTER)
	PlacedLocalSource   = uint32(cTbPlacedTB_PLACED_LOCAL_SOURCE)
	PlacedInvalidSource = uint32(cTbPlacedTB_PLACED_INVALID_SOURCE)
	PlacedLocalnet      = uint32(cTbPlacedTB_PLACED_LOCALNET)
	PlacedTooBig        = uint32(cTbPlacedTB_PLACED_TOO_BIG)
	PlacedFirewall      = uint32(cTbPlacedTB_PLACED_FIREWALL)
	Reasons             = uint32(cTbPlacedTB_REASONS)
)

// Place.What.
const (
	PlaceInput    = uint32(cTbPlaceKindTB_PLACE_INPUT)
	PlaceForward  = uint32(cTbPlaceKindTB_PLACE_FORWARD)
	PlaceFirewall = uint32(cTbPlaceKindTB_PLACE_FIREWALL)
)
