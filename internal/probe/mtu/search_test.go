// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"math/rand/v2"
	"testing"
)

// path is one that carries packets up to a size. Time passes by steps of a flight.
type path struct {
	carries int
	// loses is the share of packets that gets lost for no reason.
	loses float64
	// tells is the MTU that a router tells of packets that are too large, 0 for none.
	tells int
	// tokens limit the answers: those there are, and the most; each second gives one.
	tokens, most float64
	limits       bool

	random  *rand.Rand
	packets int
	seconds float64
	best    int
}

const flightSeconds = 0.1

func (p *path) try(sizes ...int) ([]outcome, error) {
	p.pass(flightSeconds)
	ends := make([]outcome, len(sizes))
	for i, size := range sizes {
		if p.packets++; p.packets > MaxPackets || p.seconds > MaxTime.Seconds() {
			return nil, errSpent
		}
		ends[i] = p.send(size)
	}
	return ends, nil
}

func (p *path) send(size int) outcome {
	switch {
	case p.random.Float64() < p.loses:
		return outcome{}
	case size > p.carries && p.tells != 0:
		return outcome{what: tooBig, mtu: p.tells}
	case size > p.carries:
		return outcome{}
	case p.limits && p.tokens < 1:
		return outcome{}
	}
	p.tokens--
	p.best = max(p.best, size)
	return outcome{what: arrived}
}

func (p *path) rest() error {
	p.pass(1.05)
	return nil
}

func (p *path) pass(seconds float64) {
	p.seconds += seconds
	p.tokens = min(p.tokens+seconds, p.most)
}

func (p *path) search(limit int) (*search, bool, error) {
	s := newSearch(MinSize, limit)
	s.try, s.rest, s.best = p.try, p.rest, func() int { return p.best }
	exact, err := s.run()
	return s, exact, err
}

func (p *path) seed(n uint64) { p.random = rand.New(rand.NewPCG(n, 1)) }

func TestSearchFindsEverySize(t *testing.T) {
	for carries := MinSize; carries <= 1500; carries++ {
		p := &path{carries: carries}
		p.seed(1)
		s, exact, err := p.search(1500)
		if err != nil || !exact || s.low != carries {
			t.Fatalf("%d: found %d, exact %v, %v, %d packets", carries, s.low, exact, err, p.packets)
		}
	}
}

func TestSearchObeysARouterThatTellsTheTruth(t *testing.T) {
	p := &path{carries: 1436, tells: 1436}
	p.seed(1)
	if s, exact, err := p.search(9000); err != nil || !exact || s.low != 1436 || p.packets > 3 {
		t.Errorf("found %d, exact %v, %v, %d packets", s.low, exact, err, p.packets)
	}
}

func TestSearchIsNotMisledByWhatRoutersTell(t *testing.T) {
	for _, tells := range []int{1, 68, 600, 1300, 1499, 1500, 9000} {
		p := &path{carries: 1400, tells: tells}
		p.seed(1)
		if s, exact, err := p.search(1500); err != nil || !exact || s.low != 1400 {
			t.Errorf("told %d: found %d, exact %v, %v", tells, s.low, exact, err)
		}
	}
}

// Linux answers a peer's packets to closed ports six times at once and then once a
// second.
func TestSearchWaitsWhereAnswersAreLimited(t *testing.T) {
	exacts := 0
	const from, to = 1281, 1499
	for carries := from; carries <= to; carries++ {
		p := &path{carries: carries, limits: true, tokens: 5, most: 6}
		p.seed(1)
		s, exact, err := p.search(1500)
		if err != nil || s.low > carries || exact && s.low != carries {
			t.Fatalf("%d: found %d, exact %v, %v", carries, s.low, exact, err)
		}
		if exact {
			exacts++
		}
	}
	if share := float64(exacts) / (to - from + 1); share < 0.85 {
		t.Errorf("only %.0f%% were exact within 5 s", 100*share)
	}
}

func TestSearchStandsRandomLoss(t *testing.T) {
	const runs = 2000
	wrong, exacts := 0, 0
	for n := range uint64(runs) {
		p := &path{carries: 1400, loses: 0.1}
		p.seed(n)
		s, exact, err := p.search(1500)
		if err != nil {
			t.Fatal(err)
		}
		if exact {
			exacts++
		}
		if exact && s.low != 1400 || s.low > 1400 {
			wrong++
		}
	}
	if wrong > runs/500 || exacts < runs*8/10 {
		t.Errorf("of %d runs %d were wrong, %d exact", runs, wrong, exacts)
	}
}
