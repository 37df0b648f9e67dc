// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"sync"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// maxQuestions bounds the questions that wait. Beyond it a question is dropped:
// detectors ask again.
const maxQuestions = 1024

// asker answers the engine's wants on goroutines of its own, since the engine asks
// while it holds the stream. Walks have a goroutine to themselves: one may take
// tens of milliseconds, and a verdict waits for the other answers.
type asker struct {
	agent     *Agent
	questions chan event.Want
	walks     chan event.Want

	mu      sync.Mutex
	pending map[event.Want]bool
	gone    map[event.Netns]bool
}

func newAsker(a *Agent) *asker {
	return &asker{
		agent:     a,
		questions: make(chan event.Want, maxQuestions),
		walks:     make(chan event.Want, maxQuestions),
		pending:   map[event.Want]bool{},
		gone:      map[event.Netns]bool{},
	}
}

// ask takes a question, unless the same one waits already.
func (q *asker) ask(w event.Want) {
	if w.Of == event.KindPathProbe {
		q.agent.prober.ask(w)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending[w] {
		return
	}
	line := q.questions
	if w.Of == event.KindPortUse {
		line = q.walks
	}
	select {
	case line <- w:
		q.pending[w] = true
	default:
	}
}

func (q *asker) answer(ctx context.Context) { q.serve(ctx, q.questions) }

func (q *asker) walk(ctx context.Context) { q.serve(ctx, q.walks) }

func (q *asker) serve(ctx context.Context, line <-chan event.Want) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-line:
			q.mu.Lock()
			delete(q.pending, w)
			q.mu.Unlock()
			q.look(ctx, w)
		}
	}
}

// look answers one question into the stream.
func (q *asker) look(ctx context.Context, w event.Want) {
	if w.Of == event.KindDial { // the answer is that dials are told from now on
		if err := q.agent.kernel.WatchDial(w.Netns, w.To); err != nil {
			q.agent.log.Debug("dials are not watched", zap.Error(err))
		}
		return
	}
	e, err := q.agent.host.Answer(ctx, w)
	if err != nil {
		q.agent.log.Debug("no answer", zap.String("of", string(w.Of)), zap.Uint32("netns", uint32(w.Netns)), zap.Error(err))
		return
	}
	if ns, ok := e.(*event.Namespace); ok && !q.news(ns) {
		return
	}
	q.agent.take(e)
}

// news tells whether a namespace's state is worth telling: that it is gone is told
// once, or its late packets would open and close a finding again and again.
func (q *asker) news(ns *event.Namespace) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !ns.Gone {
		delete(q.gone, ns.Netns)
		return true
	}
	if q.gone[ns.Netns] || len(q.gone) >= maxQuestions {
		return false
	}
	q.gone[ns.Netns] = true
	return true
}
