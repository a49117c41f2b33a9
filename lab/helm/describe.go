package main

import (
	"fmt"
	"sort"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Release is a release as Pulumi's outputs describe it.
type Release struct {
	Name          string              `json:"name"`
	Namespace     string              `json:"namespace"`
	Revision      int                 `json:"revision"`
	Status        string              `json:"status"`
	Description   string              `json:"description"`
	Chart         string              `json:"chart"`
	Version       string              `json:"version"`
	AppVersion    string              `json:"appVersion"`
	Values        map[string]any      `json:"values"`
	ResourceNames map[string][]string `json:"resourceNames"`
}

func describe(rel *release.Release) (*Release, error) {
	names, err := resourceNames(rel.Manifest)
	if err != nil {
		return nil, err
	}
	described := &Release{
		Name:          rel.Name,
		Namespace:     rel.Namespace,
		Revision:      rel.Version,
		Values:        rel.Config,
		ResourceNames: names,
	}
	if rel.Info != nil {
		described.Status = rel.Info.Status.String()
		described.Description = rel.Info.Description
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		described.Chart = rel.Chart.Metadata.Name
		described.Version = rel.Chart.Metadata.Version
		described.AppVersion = rel.Chart.Metadata.AppVersion
	}
	return described, nil
}

// resourceNames groups the objects of a manifest by kind, group and version,
// in the form of the released provider ("Deployment.apps/apps/v1").
func resourceNames(manifest string) (map[string][]string, error) {
	names := map[string][]string{}
	for _, text := range releaseutil.SplitManifests(manifest) {
		var object struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name      string `json:"name"`
				Namespace string `json:"namespace"`
			} `json:"metadata"`
		}
		if isBlank(text) {
			continue
		}
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			return nil, fmt.Errorf("a manifest of the chart cannot be read: %w", err)
		}
		if object.Kind == "" {
			continue
		}
		group := schema.FromAPIVersionAndKind(object.APIVersion, object.Kind).GroupKind().String()
		name := object.Metadata.Name
		if object.Metadata.Namespace != "" {
			name = object.Metadata.Namespace + "/" + name
		}
		key := group + "/" + object.APIVersion
		names[key] = append(names[key], name)
	}
	for key := range names {
		sort.Strings(names[key])
	}
	return names, nil
}
