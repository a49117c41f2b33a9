// Command older-sdk-generator writes the SDK of a package for languages whose generators left Pulumi's module: the newest
// modules to be had that hold them.
//
//	older-sdk-generator java|csharp SCHEMA FOLDER
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi-java/pkg/codegen/java"
	"github.com/pulumi/pulumi/pkg/v3/codegen/dotnet"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("older-sdk-generator")
		return
	}
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: older-sdk-generator java|csharp SCHEMA FOLDER"))
	}
	http.DefaultTransport = noPicture{}
	files, err := generate(os.Args[1], os.Args[2])
	if err != nil {
		fail(err)
	}
	for name, content := range files {
		file := filepath.Join(os.Args[3], name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			fail(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			fail(err)
		}
	}
}

// noPicture answers what the generator for C# asks for: the picture of the package on NuGet, which no program needs.
type noPicture struct{}

func (noPicture) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: request}, nil
}

// generate returns the files of the SDK by their names. The schema must refer to no other package.
func generate(language, file string) (map[string][]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, err
	}
	pkg, diagnostics, err := schema.BindSpec(spec, nil)
	if err != nil {
		return nil, err
	}
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	switch language {
	case "java":
		if err := pkg.ImportLanguages(map[string]schema.Language{"java": java.Importer}); err != nil {
			return nil, err
		}
		// the SDK reads it when it starts; a build with Gradle would write it
		version := filepath.Join("src/main/resources/com/pulumi", pkg.Name, "version.txt")
		return java.GeneratePackage("pulumi", pkg, map[string][]byte{version: []byte(pkg.Version.String() + "\n")})
	case "csharp":
		if err := pkg.ImportLanguages(map[string]schema.Language{"csharp": dotnet.Importer}); err != nil {
			return nil, err
		}
		return dotnet.GeneratePackage("pulumi", pkg, nil)
	}
	return nil, fmt.Errorf("%s is no language of this generator", language)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
