// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package decode

import (
	"net/netip"
	"testing"

	"github.com/trapbpf/trapbpf/internal/wire"
	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestFailedConnectKeepsEveryField(t *testing.T) {
	got, err := New(names()).Decode(raw(failureSample()))
	if err != nil {
		t.Fatal(err)
	}
	want := event.PortFailure{
		Header: event.Header{Time: 123456789, Netns: 4026531840}, Op: event.PortConnect,
		Source: netip.MustParseAddr("10.1.2.3"), Destination: netip.MustParseAddrPort("10.4.5.6:5432"),
		Owner: event.Owner{PID: 4242, Comm: "curl", Cgroup: 77}, Count: 9,
	}
	if failure := got.(*event.PortFailure); *failure != want {
		t.Errorf("got %+v, want %+v", failure, want)
	}
}

func TestFailedBindHasASourceButNoDestination(t *testing.T) {
	for _, source := range []string{"0.0.0.0", "::", "10.1.2.3"} {
		sample := failureSample()
		sample.Op, sample.Source, sample.Destination, sample.Port = wire.OpBind, on(source), [16]byte{}, 0
		got, err := New(names()).Decode(raw(sample))
		if err != nil {
			t.Fatal(err)
		}
		failure := got.(*event.PortFailure)
		if failure.Op != event.PortBind || failure.Source.String() != source || failure.Destination.IsValid() {
			t.Errorf("bind to %s: got %+v", source, failure)
		}
	}
}

func TestFailureRowBringsTheNewestOwner(t *testing.T) {
	key := wire.PortKey{Netns: 7, Port: 5432, Op: wire.OpConnect, Source: on("10.1.2.3"), Destination: on("10.4.5.6")}
	row := wire.FailureRow{Count: 1000, Last: 5, Owner: owner()}
	want := event.PortFailure{
		Header: event.Header{Time: 5, Netns: 7}, Op: event.PortConnect,
		Source: netip.MustParseAddr("10.1.2.3"), Destination: netip.MustParseAddrPort("10.4.5.6:5432"),
		Owner: event.Owner{PID: 4242, Comm: "curl", Cgroup: 77}, Count: 1000,
	}
	if got := New(names()).FailureRow(&key, &row); *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPressureRowBringsBothCounts(t *testing.T) {
	key := wire.PortKey{Netns: 7, Port: 5432, Source: on("fd00::1"), Destination: on("fd00::2")}
	row := wire.PressureRow{Opens: 30, TimeWaits: 20, Last: 5, Owner: owner()}
	want := event.PortPressure{
		Header: event.Header{Time: 5, Netns: 7},
		Source: netip.MustParseAddr("fd00::1"), Destination: netip.MustParseAddrPort("[fd00::2]:5432"),
		Opens: 30, TimeWaits: 20, Owner: event.Owner{PID: 4242, Comm: "curl", Cgroup: 77},
	}
	if got := New(names()).PressureRow(&key, &row); *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
