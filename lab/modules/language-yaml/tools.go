//go:build tools

// Package tools names the program that the lab builds from this module: Pulumi's language host for YAML.
package tools

import _ "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml"
