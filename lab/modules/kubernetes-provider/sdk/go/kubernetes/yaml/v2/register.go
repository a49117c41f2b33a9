// Package v2 registers the objects of YAML documents, charts and kustomizations.
package v2

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource registers an object under its type token. The typed SDK has a struct for each kind; the engine sees
// of it only the token and the URN.
func RegisterResource(
	ctx *pulumi.Context, apiVersion, kind, name string, fields pulumi.Input, options ...pulumi.ResourceOption,
) (pulumi.CustomResource, error) {
	var object struct{ pulumi.CustomResourceState }
	if err := ctx.RegisterResource(token(apiVersion, kind), name, fields, &object, options...); err != nil {
		return nil, err
	}
	return &object, nil
}

// token is a kind's type in Pulumi: the group of core kinds has a name there.
func token(apiVersion, kind string) string {
	if apiVersion == "v1" {
		apiVersion = "core/v1"
	}
	return fmt.Sprintf("kubernetes:%s:%s", apiVersion, kind)
}
