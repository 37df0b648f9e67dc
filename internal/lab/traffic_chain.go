// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// chainName is who the lab's TLS server is.
const chainName = "server.lab.test"

// chain is what a TLS server shows, and whom its clients trust.
type chain struct {
	certificate tls.Certificate
	roots       *x509.CertPool
}

// chainNames is how many names the server's certificate is for: with them the chain
// has over 3 kB, as real ones with RSA keys have.
const chainNames = 90

// newChain makes a root, an intermediate and a server's certificate.
func newChain() (chain, error) {
	root, err := issue("lab root", nil, nil)
	if err != nil {
		return chain{}, err
	}
	between, err := issue("lab intermediate", nil, root)
	if err != nil {
		return chain{}, err
	}
	names := []string{chainName}
	for i := range chainNames {
		names = append(names, fmt.Sprintf("service-%02d.%s", i, chainName))
	}
	leaf, err := issue(chainName, names, between)
	if err != nil {
		return chain{}, err
	}
	c := chain{roots: x509.NewCertPool()}
	c.roots.AddCert(root.certificate)
	c.certificate = tls.Certificate{
		Certificate: [][]byte{leaf.certificate.Raw, between.certificate.Raw}, PrivateKey: leaf.key,
	}
	return c, nil
}

// issued is a certificate with its key.
type issued struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// issue signs a certificate: a server's where it has names, an authority's else; by
// itself where by is nil.
func issue(subject string, names []string, by *issued) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: subject},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if names == nil {
		template.KeyUsage, template.IsCA, template.BasicConstraintsValid = x509.KeyUsageCertSign, true, true
	}
	signer := &issued{certificate: template, key: key}
	if by != nil {
		signer = by
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	return &issued{certificate: certificate, key: key}, nil
}
