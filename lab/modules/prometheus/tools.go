//go:build tools

// Package tools names the program that the lab builds from this module: promtool, which judges rules.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
