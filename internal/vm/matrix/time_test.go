// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/vm/image"
)

func TestTakenSumsWhatAPlanAsks(t *testing.T) {
	target, err := image.Find("6.1")
	if err != nil {
		t.Fatal(err)
	}
	r := Result{Kernel: "6.1-amd64", Replays: []Replay{{Name: "a"}}, Processor: map[string]float64{}}
	if got := taken(r, Plan{}).String(); got != "" {
		t.Errorf("nothing measured gives %q", got)
	}
	ci, jobs := Plan{Brief: true, Bare: true}, 0
	for _, boot := range (Plan{Brief: true, Bare: true, Recordings: []Recording{{Name: "a"}}}).Boots(target[0]) {
		for _, j := range boot.Script.Jobs {
			r.Processor[j.Name] = 6
			jobs++
		}
	}
	if got, want := taken(r, ci).String(), minutes(float64(6*jobs)); got != want {
		t.Errorf("CI's part takes %q, want %q", got, want)
	}
	whole := taken(r, Plan{})
	if whole.measured != jobs || whole.jobs <= jobs || !strings.HasPrefix(whole.String(), "over "+minutes(float64(6*jobs))+" (") {
		t.Errorf("everything takes %q, %d of %d jobs measured", whole, whole.measured, whole.jobs)
	}
	if got, want := taken(r, ci).plus(taken(r, ci)).String(), minutes(float64(12*jobs)); got != want {
		t.Errorf("two kernels together take %q, want %q", got, want)
	}
}
