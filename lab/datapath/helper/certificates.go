package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	validFor = 10 * 365 * 24 * time.Hour
	// for clocks that differ
	validSince = time.Hour
)

// certificates FOLDER SERVICE-NAME makes what one API server needs to stand behind another one on this machine: an authority (ca.crt), with
// whose word the front shows who it is (proxy.crt, proxy.key; common name front-proxy), and the server behind it shows
// that it is localhost and a Service's name (server.crt, server.key). The authority's own key is not kept.
func certificates(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: certificates FOLDER SERVICE-NAME")
	}
	folder, service := args[0], args[1]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := template("cluster-security-lab")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	own, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, "ca.crt"), "CERTIFICATE", own); err != nil {
		return err
	}
	proxy := template("front-proxy")
	proxy.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if err := issue(folder, "proxy", proxy, authority, key); err != nil {
		return err
	}
	server := template("localhost")
	server.DNSNames = []string{"localhost", service}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return issue(folder, "server", server, authority, key)
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		// the system has no randomness: nothing made without it may be used
		panic(err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-validSince),
		NotAfter:     time.Now().Add(validFor),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// issue writes NAME.crt and NAME.key.
func issue(folder, name string, subject, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	certificate, err := x509.CreateCertificate(rand.Reader, subject, authority, key.Public(), authorityKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, name+".crt"), "CERTIFICATE", certificate); err != nil {
		return err
	}
	return writePEM(filepath.Join(folder, name+".key"), "EC PRIVATE KEY", private)
}

func writePEM(file, kind string, content []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}
