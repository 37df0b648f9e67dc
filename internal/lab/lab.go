// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package lab makes real faults in throw-away network namespaces, has the real
// agent watch them, runs the fix that its finding offers, and waits until the
// finding is resolved. Twins, which look like the faults but are healthy, must
// leave the agent silent.
//
// A lab needs root and no program but the agent's own binary: links, addresses and
// routes are made by netlink, settings by files, and servers and clients run in
// this process, on threads inside the namespaces. Namespaces are named under
// /run/netns, so that what happens can be looked at while it runs. They are removed
// when a run ends, however it ends; Sweep removes those of a killed run.
//
// A scenario is one file: a function that gives its faults and twins, and a line in
// All.
package lab
