// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/vm/image"
)

func TestTakenSumsWhatAPlanAsks(t *testing.T) {
	target, err := image.Find("6.1")
	if err != nil {
		t.Fatal(err)
	}
	r := Result{Kernel: "6.1-amd64", Replays: []Replay{{Name: "a"}}, Processor: map[string]float64{}}
	if got := taken(r, Plan{}); got != "" {
		t.Errorf("nothing measured gives %q", got)
	}
	ci, jobs := Plan{Brief: true, Bare: true}, 0
	for _, boot := range (Plan{Brief: true, Bare: true, Recordings: []Recording{{Name: "a"}}}).Boots(target[0]) {
		for _, j := range boot.Script.Jobs {
			r.Processor[j.Name] = 6
			jobs++
		}
	}
	if got, want := taken(r, ci), minutes(float64(6*jobs)); got != want {
		t.Errorf("CI's part takes %q, want %q", got, want)
	}
	if got, want := taken(r, Plan{}), "over "+minutes(float64(6*jobs)); got != want {
		t.Errorf("everything takes %q, want %q", got, want)
	}
}
