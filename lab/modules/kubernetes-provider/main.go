// Command kubernetes-provider is Pulumi's own Kubernetes provider, built from its Go module. The module has no tagged
// release and no schema with a version in it; both are added here, as Pulumi's build does.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

// Both files lie in the provider's module; the lab's build lays them over these names.
//
//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(version.Version)
		return
	}
	provider.Serve("kubernetes", version.Version, versioned(schema), terraformMapping)
}

// versioned adds the version to a schema, which is a JSON object without one.
func versioned(schema []byte) []byte {
	first := fmt.Appendf(nil, "{\"version\": %q,", version.Version)
	return bytes.Replace(schema, []byte("{"), first, 1)
}
