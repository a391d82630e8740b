package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"time"
)

// chain is a certificate with its key, the authority that signed it, and what it is for.
type chain struct {
	Authority string `json:"authority"`
	Cert      string `json:"cert"`
	Key       string `json:"key"`
	Host      string `json:"host"`
	Now       int64  `json:"now"`
}

// verify asks Go's own libraries whether a server could use the certificate.
func verify(in io.Reader) error {
	var asked chain
	if err := json.NewDecoder(in).Decode(&asked); err != nil {
		return err
	}
	if _, err := tls.X509KeyPair([]byte(asked.Cert), []byte(asked.Key)); err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(asked.Cert))
	if block == nil {
		return errors.New("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(asked.Authority)) {
		return errors.New("no authority")
	}
	_, err = cert.Verify(x509.VerifyOptions{
		DNSName: asked.Host, Roots: roots, CurrentTime: time.Unix(asked.Now, 0),
	})
	return err
}
