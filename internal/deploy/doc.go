// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package deploy proves what `deploy` holds by the programs that use it: systemd
// judges the unit, dpkg installs, upgrades and purges the package in a root of its own, rpm
// reads the other, and the parts list is held against its schema and the binary.
package deploy
