// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package delivery proves that records reach real programs whole: rsyslog over TLS, an
// OpenTelemetry Collector and journald as they are shipped, killed in the middle, and
// an HTTP endpoint that behaves as badly as endpoints do.
package delivery
