// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package http delivers records to an HTTP endpoint: lines of JSON, and the forms that
// Splunk's HTTP Event Collector and Elasticsearch's bulk interface want.
package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/internal/sink"
)

const (
	// defaultTimeout bounds one request, answer included.
	defaultTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes: a bulk answer has some
	// hundred for each of a batch's entries.
	maxAnswer = 1 << 20
)

// Options say where to and how.
type Options struct {
	URL string `yaml:"url"`
	// Body is the form of a request: ndjson, splunk or elastic.
	Body string `yaml:"body"`
	// Headers are added to each request. ${env:NAME} stands for a variable and
	// ${file:PATH} for a file's first line, so that a secret need not stand here.
	Headers map[string]string `yaml:"headers"`
	Timeout time.Duration     `yaml:"timeout"`
	TLS     sink.TLS          `yaml:"tls"`
}

func bodies() []string { return []string{"ndjson", "splunk", "elastic"} }

// Check says which key is wrong.
func (o *Options) Check() (key string, err error) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "url", fmt.Errorf("%q is no http or https address, e.g. https://logs.example.net:8088/in", o.URL)
	case o.Body != "" && !slices.Contains(bodies(), o.Body):
		return "body", fmt.Errorf("unknown form %q: give %s", o.Body, strings.Join(bodies(), ", "))
	case o.Timeout < 0:
		return "timeout", errors.New("must not be negative")
	}
	for name, value := range o.Headers {
		if _, err := expand(value); err != nil {
			return "headers." + name, err
		}
	}
	if key, err := o.TLS.Check(); err != nil {
		return "tls." + key, err
	}
	return "", nil
}

// Remote is a sink.Remote.
type Remote struct {
	name    string
	options Options
	form    form
	client  *http.Client
}

// New gives a remote that connects at the first Send.
func New(name string, o Options) (*Remote, error) {
	config, err := o.TLS.Config()
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	transport := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment,
		MaxIdleConns: 1, IdleConnTimeout: time.Minute,
	}
	return &Remote{name: name, options: o, form: formOf(o.Body), client: &http.Client{
		Transport: transport, Timeout: o.Timeout,
		// A header with a secret must not follow to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name implements sink.Remote.
func (r *Remote) Name() string { return r.name }

// Close implements sink.Remote.
func (r *Remote) Close() error {
	r.client.CloseIdleConnections()
	return nil
}

// Send implements sink.Remote. A batch that is refused as a whole is sent entry by
// entry, to find the one that is at fault.
func (r *Remote) Send(ctx context.Context, entries []sink.Entry) (int, error) {
	sent, err := r.post(ctx, entries)
	var refused *sink.Refusal
	if len(entries) > 1 && sent == 0 && errors.As(err, &refused) {
		return r.post(ctx, entries[:1])
	}
	return sent, err
}

func (r *Remote) post(ctx context.Context, entries []sink.Entry) (int, error) {
	request, err := r.request(ctx, entries)
	if err != nil {
		return 0, err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() // only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return 0, fault(answer, text)
	}
	return r.form.judge(text, len(entries))
}

func (r *Remote) request(ctx context.Context, entries []sink.Entry) (*http.Request, error) {
	var body bytes.Buffer
	for _, e := range entries {
		r.form.append(&body, e)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.options.URL, &body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", r.form.mediaType)
	for name, value := range r.options.Headers {
		if value, err = expand(value); err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		request.Header.Set(name, value)
	}
	return request, nil
}

// fault gives what an answer's status means. What the entry's own form may be blamed
// for is a refusal. All else, a wrong password as well, is the operator's to mend, and
// the records wait for it.
func fault(answer *http.Response, text []byte) error {
	err := fmt.Errorf("answered %s%s", answer.Status, quoted(text))
	switch status := answer.StatusCode; {
	case sink.Refused(status):
		return &sink.Refusal{Err: err}
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return &sink.Later{After: sink.RetryAfter(answer.Header.Get("Retry-After"), time.Now()), Err: err}
	default:
		return err
	}
}

// quoted gives the beginning of an answer's text for a log line.
func quoted(text []byte) string {
	const enough = 200
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return ""
	}
	return ": " + strconv.QuoteToASCII(string(text[:min(len(text), enough)]))
}
