//go:build tools

// Package tools names the programs that the lab builds from this module: Calico's Felix and its API server.
package tools

import (
	_ "github.com/projectcalico/calico/apiserver/cmd/apiserver"
	_ "github.com/projectcalico/calico/felix/cmd/calico-felix"
)
