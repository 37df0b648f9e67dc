// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package image proves the container image without a container engine: it reads
// the last stage of the Dockerfile, puts exactly the files that it copies into an
// empty folder, and runs the entry point with that folder as its root.
package image
