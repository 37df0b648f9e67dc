// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package otlp delivers findings as OpenTelemetry log records, by the SDK's exporters:
// OTLP over HTTP or gRPC.
//
// A record is an event in OpenTelemetry's sense: its name is trapbpf.finding.opened,
// .updated or .resolved, its body the message, its attributes the fields of the ECS
// record by their dotted names. The variables OTEL_EXPORTER_OTLP_* and
// OTEL_RESOURCE_ATTRIBUTES are obeyed; what the configuration says is stronger.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/trapbpf/trapbpf/internal/sink"
)

// Options say where to and how. What is empty is taken from OTEL_EXPORTER_OTLP_*.
type Options struct {
	// Endpoint is http://HOST:PORT or https://HOST:PORT, with a path where it is not
	// /v1/logs.
	Endpoint string `yaml:"endpoint"`
	// Protocol is http/protobuf or grpc.
	Protocol string            `yaml:"protocol"`
	Headers  map[string]string `yaml:"headers"`
	TLS      sink.TLS          `yaml:"tls"`
}

func protocols() []string { return []string{"http/protobuf", "grpc"} }

// Check says which key is wrong.
func (o *Options) Check() (key string, err error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || o.Endpoint != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return "endpoint", fmt.Errorf("%q is no http or https address, e.g. https://collector.example.net:4318", o.Endpoint)
	}
	if o.Protocol != "" && !slices.Contains(protocols(), o.Protocol) {
		return "protocol", fmt.Errorf("unknown protocol %q: give %s", o.Protocol, strings.Join(protocols(), " or "))
	}
	if key, err := o.TLS.Check(); err != nil {
		return "tls." + key, err
	}
	return "", nil
}

// Remote is a sink.Remote.
type Remote struct {
	name     string
	exporter sdklog.Exporter
	fault    func(error) error // what an exporter's error means
	catcher  *catcher
	logger   log.Logger
}

// New gives a remote that connects at the first Send. version is the agent's.
func New(name, version string, o Options) (*Remote, error) {
	ctx := context.Background()
	about, err := resource.New(ctx, resource.WithHost(), resource.WithAttributes(
		attribute.String("service.name", "trapbpf"), attribute.String("service.version", version),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe this host: %w", err)
	}
	r := &Remote{name: name, catcher: new(catcher)}
	if r.exporter, r.fault, err = newExporter(ctx, o); err != nil {
		return nil, fmt.Errorf("make OTLP exporter: %w", err)
	}
	r.logger = sdklog.NewLoggerProvider(
		sdklog.WithResource(about), sdklog.WithProcessor(r.catcher),
		sdklog.WithAttributeCountLimit(-1), sdklog.WithAttributeValueLengthLimit(-1),
	).Logger("trapbpf", log.WithInstrumentationVersion(version))
	return r, nil
}

// Name implements sink.Remote.
func (r *Remote) Name() string { return r.name }

// Close implements sink.Remote.
func (r *Remote) Close() error { return r.exporter.Shutdown(context.Background()) }

// Send implements sink.Remote.
func (r *Remote) Send(ctx context.Context, entries []sink.Entry) (int, error) {
	r.catcher.records = r.catcher.records[:0]
	for i, e := range entries {
		record, err := recordOf(e)
		if err != nil && i == 0 {
			return 0, &sink.Refusal{Err: err}
		}
		if err != nil {
			entries = entries[:i] // the next Send begins with it
			break
		}
		r.logger.Emit(ctx, record)
	}
	err := r.exporter.Export(ctx, r.catcher.records)
	if rejected, ok := rejectedOf(err); ok {
		if rejected == 0 {
			return len(entries), nil // a warning only
		}
		return len(entries), &sink.Refusal{Count: rejected, Err: err}
	}
	if err == nil {
		return len(entries), nil
	}
	err = r.fault(err)
	var refused *sink.Refusal
	if len(entries) > 1 && errors.As(err, &refused) {
		return r.Send(ctx, entries[:1]) // to find the one that is at fault
	}
	return 0, err
}

// catcher is where the SDK hands over its records, with resource and scope.
type catcher struct{ records []sdklog.Record }

// OnEmit implements sdklog.Processor.
func (c *catcher) OnEmit(_ context.Context, r *sdklog.Record) error {
	c.records = append(c.records, r.Clone())
	return nil
}

// Enabled implements sdklog.Processor.
func (c *catcher) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// Shutdown implements sdklog.Processor.
func (c *catcher) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdklog.Processor.
func (c *catcher) ForceFlush(context.Context) error { return nil }

// rejectedOf reads how many records a collector rejected while it took the others
// (partial success). They must not be sent again (OTLP specification, "Partial
// Success"). The exporters' error type is internal to them, so its field is looked up
// by name; tests hold it against a real collector's answer.
func rejectedOf(err error) (rejected uint64, ok bool) {
	for _, one := range unwrapped(err) {
		v := reflect.ValueOf(one)
		if v.Kind() != reflect.Struct {
			continue
		}
		if field := v.FieldByName("RejectedItems"); field.IsValid() && field.CanInt() {
			return uint64(max(field.Int(), 0)), true
		}
	}
	return 0, false
}

// unwrapped lists an error and all that it wraps.
func unwrapped(err error) []error {
	if err == nil {
		return nil
	}
	found := []error{err}
	switch outer := err.(type) { //nolint:errorlint // every layer is looked at
	case interface{ Unwrap() error }:
		found = append(found, unwrapped(outer.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range outer.Unwrap() {
			found = append(found, unwrapped(inner)...)
		}
	}
	return found
}
