// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"net/netip"
	"reflect"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func answer[T event.Event](t *testing.T, f *fake, w event.Want) T {
	t.Helper()
	got, err := New(f.world()).Answer(context.Background(), w)
	if err != nil {
		t.Fatalf("%+v: %v", w, err)
	}
	typed, ok := got.(T)
	if !ok {
		t.Fatalf("%+v: the answer is a %T", w, got)
	}
	return typed
}

func TestEffectiveSettingsJoinTheInterfacesWithAll(t *testing.T) {
	f := newFake()
	f.files[confAll+"accept_local"] = "1\n"
	f.links = []event.Interface{
		{Index: 1, Name: "lo"}, {Index: 2, Name: "strict", RPFilter: 1}, {Index: 3, Name: "loose", RPFilter: 2, RouteLocal: true},
	}
	got := answer[*event.Routing](t, f, event.Want{Of: event.KindRouting, Netns: blueInode})
	want := []event.Interface{
		{Index: 1, Name: "lo", Effective: 1, AcceptLocal: true},
		{Index: 2, Name: "strict", RPFilter: 1, Effective: 1, AcceptLocal: true},
		{Index: 3, Name: "loose", RPFilter: 2, Effective: 2, AcceptLocal: true, RouteLocal: true},
	}
	if !reflect.DeepEqual(got.Interfaces, want) || got.RPFilterAll != 1 {
		t.Errorf("all %d, got %+v, want %+v", got.RPFilterAll, got.Interfaces, want)
	}
	if got.Netns != blueInode || got.Time != f.clock {
		t.Errorf("the answer is stamped %+v", got.Header)
	}
}

func TestNamespaceThatIsGoneIsAnAnswerToEveryQuestion(t *testing.T) {
	for _, kind := range []event.Kind{event.KindNamespace, event.KindRouting, event.KindRouteBack, event.KindPortSettings, event.KindPortUse} {
		w := event.Want{Of: kind, Netns: 99, To: netip.MustParseAddr("10.0.0.1")}
		if got := answer[*event.Namespace](t, newFake(), w); !got.Gone || got.Netns != 99 {
			t.Errorf("%s: got %+v", kind, got)
		}
	}
}

func TestAnswerFollowsANamespaceToAnotherProcess(t *testing.T) {
	f := newFake()
	h := New(f.world())
	ask := func() *event.Namespace {
		got, err := h.Answer(context.Background(), event.Want{Of: event.KindNamespace, Netns: podInode})
		if err != nil {
			t.Fatal(err)
		}
		return got.(*event.Namespace)
	}
	if got := ask(); got.Path != "/proc/9/ns/net" || got.Gone {
		t.Errorf("at first: %+v", got)
	}
	f.inodes["/proc/9/ns/net"] = ownInode // the PID is somebody else's now
	if got := ask(); got.Path != "/proc/70/ns/net" || got.Gone {
		t.Errorf("after its first process ended: %+v", got)
	}
}

func TestRouteThatIsNotFoundIsAnAnswer(t *testing.T) {
	f := newFake()
	f.back = func(to, from netip.Addr) event.RouteBack {
		return event.RouteBack{To: to, From: from, Error: "network is unreachable"}
	}
	w := event.Want{Of: event.KindRouteBack, Netns: blueInode, To: netip.MustParseAddr("10.0.0.1"), From: netip.MustParseAddr("10.0.0.2")}
	got := answer[*event.RouteBack](t, f, w)
	if got.Found || got.Error != "network is unreachable" || got.To != w.To || got.From != w.From {
		t.Errorf("got %+v", got)
	}
}

func TestQuestionsAreAskedInsideTheNamespace(t *testing.T) {
	f := newFake()
	f.back = func(netip.Addr, netip.Addr) event.RouteBack {
		return event.RouteBack{Route: event.Route{Text: f.inside}}
	}
	w := event.Want{Of: event.KindRouteBack, Netns: blueInode, To: netip.MustParseAddr("10.0.0.1")}
	if got := answer[*event.RouteBack](t, f, w); got.Route.Text != "/run/netns/blue" {
		t.Errorf("asked in %q", got.Route.Text)
	}
}

func TestPortUseCarriesTheRangeToTheWalkAndTheOverflowsBack(t *testing.T) {
	f := newFake()
	got := answer[*event.PortUse](t, f, event.Want{Of: event.KindPortUse, Netns: blueInode})
	if got.TimeWait != 7 || got.Overflows != 27 || !reflect.DeepEqual(f.walked, []uint16{32768, 60999}) {
		t.Errorf("walked %v, got %+v", f.walked, got)
	}
}

func TestProcessIsAskedOfTheWorld(t *testing.T) {
	f := newFake()
	got := answer[*event.Process](t, f, event.Want{Of: event.KindProcess, PID: 12, Netns: blueInode})
	if got.PID != 12 || got.Name != "curl" || got.Time != f.clock {
		t.Errorf("got %+v", got)
	}
}

func TestQuestionWithoutSenseIsAnError(t *testing.T) {
	f := newFake()
	world := f.world()
	world.Walk = nil
	h := New(world)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, ask := range map[string]func() (event.Event, error){
		"no such fact": func() (event.Event, error) {
			return h.Answer(context.Background(), event.Want{Of: event.KindTick, Netns: blueInode})
		},
		"no destination": func() (event.Event, error) {
			return h.Answer(context.Background(), event.Want{Of: event.KindRouteBack, Netns: blueInode})
		},
		"no walk": func() (event.Event, error) {
			return h.Answer(context.Background(), event.Want{Of: event.KindPortUse, Netns: blueInode})
		},
		"too late": func() (event.Event, error) {
			return h.Answer(cancelled, event.Want{Of: event.KindNamespace, Netns: blueInode})
		},
	} {
		if got, err := ask(); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
