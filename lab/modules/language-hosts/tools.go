//go:build tools

// Package tools names the programs that the lab builds from this module: Pulumi's language hosts for Python and Go.
package tools

import (
	_ "github.com/pulumi/pulumi/sdk/v3/go/pulumi-language-go"
	_ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
)
