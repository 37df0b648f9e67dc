// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package deploy proves what `deploy` holds by the programs that use it: systemd judges the
// unit and runs the service, dpkg and rpm install, upgrade and remove the packages in roots of
// their own, and the parts list is held against its schema and the binary.
package deploy
