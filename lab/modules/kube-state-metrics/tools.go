//go:build tools

// Package tools names the program that the lab builds from this module: what exports the state of Jobs as metrics.
package tools

import (
	_ "k8s.io/kube-state-metrics/v2"
)
