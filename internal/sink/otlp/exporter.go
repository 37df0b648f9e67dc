// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/trapbpf/trapbpf/internal/sink"
)

// defaultTimeout bounds one export where OTEL_EXPORTER_OTLP_TIMEOUT does not.
const defaultTimeout = 10 * time.Second

// variable gives the value of OTEL_EXPORTER_OTLP_LOGS_X, else of OTEL_EXPORTER_OTLP_X.
func variable(x string) string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_LOGS_"+x), os.Getenv("OTEL_EXPORTER_OTLP_"+x))
}

func (o Options) protocol() string {
	return cmp.Or(o.Protocol, variable("PROTOCOL"), "http/protobuf")
}

// newExporter gives the exporter and what its errors mean. The exporters' own retrying
// is off: the spool does that, over restarts as well.
func newExporter(ctx context.Context, o Options) (sdklog.Exporter, func(error) error, error) {
	o.TLS = sink.TLS{
		CA:          cmp.Or(o.TLS.CA, variable("CERTIFICATE")),
		Certificate: cmp.Or(o.TLS.Certificate, variable("CLIENT_CERTIFICATE")),
		Key:         cmp.Or(o.TLS.Key, variable("CLIENT_KEY")),
		ServerName:  o.TLS.ServerName,
	}
	switch protocol := o.protocol(); protocol {
	case "grpc":
		exporter, err := newGRPC(ctx, o)
		return exporter, grpcFault, err
	case "http/protobuf":
		return newHTTP(ctx, o)
	default:
		return nil, nil, fmt.Errorf("protocol %q is not known here: give %s", protocol, strings.Join(protocols(), " or "))
	}
}

func newGRPC(ctx context.Context, o Options) (sdklog.Exporter, error) {
	options := []otlploggrpc.Option{otlploggrpc.WithRetry(otlploggrpc.RetryConfig{})}
	if o.Endpoint != "" {
		options = append(options, otlploggrpc.WithEndpointURL(o.Endpoint))
	}
	if len(o.Headers) > 0 {
		options = append(options, otlploggrpc.WithHeaders(o.Headers))
	}
	if endpoint := cmp.Or(o.Endpoint, variable("ENDPOINT")); strings.HasPrefix(endpoint, "https://") {
		config, err := o.TLS.Config()
		if err != nil {
			return nil, err
		}
		options = append(options, otlploggrpc.WithTLSCredentials(credentials.NewTLS(config)))
	}
	return otlploggrpc.New(ctx, options...)
}

// grpcFault tells what the collector will never take from what it may take later.
func grpcFault(err error) error {
	for _, one := range unwrapped(err) {
		if s, ok := status.FromError(one); ok && s.Code() == codes.InvalidArgument {
			return &sink.Refusal{Err: err}
		}
	}
	return err
}

func newHTTP(ctx context.Context, o Options) (sdklog.Exporter, func(error) error, error) {
	config, err := o.TLS.Config()
	if err != nil {
		return nil, nil, err
	}
	witness := &witness{below: &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute,
	}}
	options := []otlploghttp.Option{
		otlploghttp.WithRetry(otlploghttp.RetryConfig{}),
		otlploghttp.WithHTTPClient(&http.Client{Transport: witness, Timeout: timeout()}),
	}
	if o.Endpoint != "" {
		options = append(options, otlploghttp.WithEndpointURL(withPath(o.Endpoint)))
	}
	if len(o.Headers) > 0 {
		options = append(options, otlploghttp.WithHeaders(o.Headers))
	}
	exporter, err := otlploghttp.New(ctx, options...)
	return exporter, witness.fault, err
}

// withPath adds the path of the specification where an address has none.
func withPath(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Path != "" && u.Path != "/" {
		return endpoint
	}
	return u.JoinPath("v1", "logs").String()
}

// timeout reads milliseconds, as the specification says.
func timeout() time.Duration {
	if ms, err := strconv.Atoi(variable("TIMEOUT")); err == nil && ms > 0 {
		return time.Duration(ms) * time.Millisecond
	}
	return defaultTimeout
}

// witness keeps an answer's status and Retry-After, which the exporter's errors do not
// tell. One goroutine sends at a time.
type witness struct {
	below  http.RoundTripper
	status int
	after  time.Duration
}

// RoundTrip implements http.RoundTripper.
func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	w.status, w.after = 0, 0
	answer, err := w.below.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.status = answer.StatusCode
	w.after = sink.RetryAfter(answer.Header.Get("Retry-After"), time.Now())
	return answer, nil
}

// fault tells what the collector will never take from what it may take later.
func (w *witness) fault(err error) error {
	if sink.Refused(w.status) {
		return &sink.Refusal{Err: err}
	}
	if w.after > 0 {
		return &sink.Later{After: w.after, Err: err}
	}
	return err
}
