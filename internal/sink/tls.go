// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says how a remote is trusted, and how this host shows who it is.
type TLS struct {
	// CA is a PEM file of the authorities to trust, empty for the system's.
	CA string `yaml:"ca"`
	// Certificate and Key are PEM files of this host's own, both or none.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ServerName is what the remote's certificate must name, empty for its address.
	ServerName string `yaml:"server-name"`
}

// Check says which key is wrong. The files are read at every connection, so that a
// renewed certificate needs no restart.
func (t TLS) Check() (key string, err error) {
	if (t.Certificate == "") != (t.Key == "") {
		return "certificate", errors.New("a certificate needs its key, and a key its certificate: give both or none")
	}
	if t.CA != "" {
		if _, err := t.authorities(); err != nil {
			return "ca", err
		}
	}
	if t.Certificate != "" {
		if _, err := t.own(); err != nil {
			return "certificate", err
		}
	}
	return "", nil
}

// Config reads the files and gives what crypto/tls needs.
func (t TLS) Config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	var err error
	if t.CA != "" {
		if config.RootCAs, err = t.authorities(); err != nil {
			return nil, err
		}
	}
	if t.Certificate != "" {
		own, err := t.own()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

func (t TLS) authorities() (*x509.CertPool, error) {
	text, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no PEM certificate", t.CA)
	}
	return pool, nil
}

func (t TLS) own() (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return pair, fmt.Errorf("read certificate and key: %w", err)
	}
	return pair, nil
}
