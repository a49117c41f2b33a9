//go:build tools

// Package tools names the program that the lab builds from this module: Flux's kustomize-controller.
package tools

import (
	_ "github.com/fluxcd/kustomize-controller"
)
