// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package syslog

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func entries(n int) []sink.Entry {
	var all []sink.Entry
	for i := range n {
		all = append(all, sink.Entry{
			ID: strconv.Itoa(i), Time: time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC),
			Action: finding.Opened, Severity: finding.High, Line: fmt.Appendf(nil, `{"n":%d,"text":"größer"}`, i),
		})
	}
	return all
}

func remote(t *testing.T, o Options) *Remote {
	t.Helper()
	if key, err := o.Check(); err != nil {
		t.Fatal(key, err)
	}
	r, err := New("siem", o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counted reads messages with octet counting until the end.
func counted(r io.Reader) ([]string, error) {
	var messages []string
	in := bufio.NewReader(r)
	for {
		digits, err := in.ReadString(' ')
		if errors.Is(err, io.EOF) && digits == "" {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		n, err := strconv.Atoi(strings.TrimSuffix(digits, " "))
		if err != nil {
			return messages, err
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(in, message); err != nil {
			return messages, err
		}
		messages = append(messages, string(message))
	}
}

// collect serves one connection after the other and gives what each brought.
func collect(t *testing.T, listener net.Listener) <-chan []string {
	t.Helper()
	got := make(chan []string, 10)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			messages, err := counted(conn)
			if err != nil {
				messages = append(messages, err.Error())
			}
			_ = conn.Close()
			got <- messages
		}
	}()
	return got
}

var form = regexp.MustCompile(`^<131>1 2026-01-02T03:04:05\.123456Z \S+ trapbpf \d+ finding-opened - \{"n":\d+,"text":"größer"\}$`)

func checkMessages(t *testing.T, messages []string, n int) {
	t.Helper()
	if len(messages) != n {
		t.Fatalf("%d messages of %d: %q", len(messages), n, messages)
	}
	for i, m := range messages {
		if !form.MatchString(m) || !strings.Contains(m, fmt.Sprintf(`"n":%d,`, i)) {
			t.Errorf("message %d is %q", i, m)
		}
	}
}

func TestStreamCountsOctetsAndWaitsForTheEnd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got := collect(t, listener)
	sent, err := remote(t, Options{Address: "tcp://" + listener.Addr().String()}).Send(context.Background(), entries(5))
	if sent != 5 || err != nil {
		t.Fatal(sent, err)
	}
	checkMessages(t, <-got, 5)
}

func TestDatagramsAreOneMessageEach(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := remote(t, Options{Address: "udp://" + conn.LocalAddr().String()})
	if sent, err := r.Send(context.Background(), entries(3)); sent != 3 || err != nil {
		t.Fatal(sent, err)
	}
	var messages []string
	buf := make([]byte, 9000)
	for range 3 {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, string(buf[:n]))
	}
	checkMessages(t, messages, 3)
}

// A server that is killed with bytes unread has not taken the batch, although every
// write to it went well.
func TestServerThatDiesBeforeItReadHasNotTakenTheBatch(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // the test ended
		}
		_, _ = conn.Read(make([]byte, 10)) // something arrived
		_ = conn.Close()                   // with the rest unread: a reset
	}()
	sent, err := remote(t, Options{Address: "tcp://" + listener.Addr().String()}).Send(context.Background(), entries(64))
	if sent != 0 || err == nil {
		t.Errorf("sent %d, %v", sent, err)
	}
}

// A server that keeps the connection, but has acknowledged every byte, is believed.
func TestServerThatNeverClosesIsBelieved(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // the test ended
		}
		_, _ = io.Copy(io.Discard, conn) // until the half close
		<-ended
		_ = conn.Close()
	}()
	sent, err := remote(t, Options{Address: "tcp://" + listener.Addr().String()}).Send(context.Background(), entries(3))
	if sent != 3 || err != nil {
		t.Errorf("sent %d, %v", sent, err)
	}
}

// identity makes a certificate for 127.0.0.1 that signs itself, as files.
func identity(t *testing.T, dir, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func TestTLSWithCertificatesOfBothSides(t *testing.T) {
	dir := t.TempDir()
	serverCertificate, serverKey := identity(t, dir, "server")
	certificate, key := identity(t, dir, "client")
	pair, err := tls.LoadX509KeyPair(serverCertificate, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	clients, err := sink.TLS{CA: certificate}.Config()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: clients.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := collect(t, listener)
	address := "tls://" + listener.Addr().String()
	r := remote(t, Options{Address: address, TLS: sink.TLS{CA: serverCertificate, Certificate: certificate, Key: key}})
	if sent, err := r.Send(context.Background(), entries(4)); sent != 4 || err != nil {
		t.Fatal(sent, err)
	}
	checkMessages(t, <-got, 4)
	for name, wrong := range map[string]sink.TLS{
		"a stranger's certificate": {CA: certificate, Certificate: certificate, Key: key},
		"another name":             {CA: serverCertificate, Certificate: certificate, Key: key, ServerName: "else.example.net"},
		"none of our own":          {CA: serverCertificate},
	} {
		if sent, err := remote(t, Options{Address: address, TLS: wrong}).Send(context.Background(), entries(1)); sent != 0 || err == nil {
			t.Errorf("%s: sent %d, %v", name, sent, err)
		}
	}
}

func TestSeveritiesAndNames(t *testing.T) {
	for _, c := range []struct {
		of   sink.Entry
		want int
	}{
		{sink.Entry{Severity: finding.Critical}, critical},
		{sink.Entry{Severity: finding.Medium}, warning},
		{sink.Entry{Severity: finding.Low}, notice},
		{sink.Entry{Severity: finding.Critical, Action: finding.Closed}, inform},
	} {
		if got := severityOf(c.of); got != c.want {
			t.Errorf("%+v is %d, want %d", c.of, got, c.want)
		}
	}
	if got := string(appendName(nil, "a b\x1b\n"+strings.Repeat("x", 300))); len(got) > 255 || strings.ContainsAny(got, " \x1b\n") {
		t.Errorf("name %q", got)
	}
	if got := string(appendName(nil, "")); got != "-" {
		t.Errorf("no name is %q", got)
	}
}

func TestWrongOptionsNameTheirKey(t *testing.T) {
	const address = "tcp://127.0.0.1:1"
	for want, o := range map[string]Options{
		"address":         {Address: "logs.example.net"},
		"facility":        {Address: address, Facility: "loca0"},
		"tls.ca":          {Address: address, TLS: sink.TLS{CA: "/none"}},
		"tls.certificate": {Address: address, TLS: sink.TLS{Key: "/none"}},
	} {
		if key, err := o.Check(); key != want || err == nil {
			t.Errorf("%s: %q, %v", want, key, err)
		}
	}
	r := remote(t, Options{Address: "tls://[2001:db8::1]"})
	if r.address != "[2001:db8::1]:6514" {
		t.Errorf("address %s", r.address)
	}
}
