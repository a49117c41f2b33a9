package main

import "time"

// Request is one operation on one release.
type Request struct {
	// template, install, upgrade, uninstall or status
	Operation string `json:"operation"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`

	// Kubeconfig is the text of a kubeconfig; empty for template.
	Kubeconfig string `json:"kubeconfig"`
	// KubeVersion is what charts are rendered for by template.
	KubeVersion string `json:"kubeVersion"`
	// Driver says where Helm keeps its releases: secret (default) or configmap.
	Driver string `json:"driver"`
	// Nodeless: no node is ready, so nothing becomes ready and nothing is waited for.
	Nodeless bool `json:"nodeless"`
	// Owner marks releases of one Pulumi resource, so that it recognizes its own after a crash.
	Owner string `json:"owner"`

	Chart    ChartSource    `json:"chart"`
	Values   map[string]any `json:"values"`
	Options  Options        `json:"options"`
	Settings Settings       `json:"settings"`
}

// ChartSource says where the chart comes from.
type ChartSource struct {
	// Name in the repository, local path, or oci:// reference.
	Name     string `json:"name"`
	Version  string `json:"version"`
	Devel    bool   `json:"devel"`
	Repo     string `json:"repo"`
	Username string `json:"username"`
	Password string `json:"password"`
	CAFile   string `json:"caFile"`
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
	Verify   bool   `json:"verify"`
	Keyring  string `json:"keyring"`

	DependencyUpdate bool `json:"dependencyUpdate"`
	// TimeoutSeconds bounds the search for the chart.
	TimeoutSeconds int `json:"timeoutSeconds"`
}

// Options have the names of Pulumi's Release.
type Options struct {
	Atomic                   bool   `json:"atomic"`
	CleanupOnFail            bool   `json:"cleanupOnFail"`
	CreateNamespace          bool   `json:"createNamespace"`
	Description              string `json:"description"`
	DisableCRDHooks          bool   `json:"disableCRDHooks"`
	DisableOpenapiValidation bool   `json:"disableOpenapiValidation"`
	DisableWebhooks          bool   `json:"disableWebhooks"`
	ForceUpdate              bool   `json:"forceUpdate"`
	Lint                     bool   `json:"lint"`
	MaxHistory               int    `json:"maxHistory"`
	Postrender               string `json:"postrender"`
	RecreatePods             bool   `json:"recreatePods"`
	RenderSubchartNotes      bool   `json:"renderSubchartNotes"`
	Replace                  bool   `json:"replace"`
	ResetValues              bool   `json:"resetValues"`
	ReuseValues              bool   `json:"reuseValues"`
	SkipAwait                bool   `json:"skipAwait"`
	SkipCrds                 bool   `json:"skipCrds"`
	TakeOwnership            bool   `json:"takeOwnership"`
	TimeoutSeconds           int    `json:"timeout"`
	WaitForJobs              bool   `json:"waitForJobs"`
}

// Settings point Helm at its files; empty means Helm's own defaults.
type Settings struct {
	PluginsPath          string `json:"pluginsPath"`
	RegistryConfigPath   string `json:"registryConfigPath"`
	RepositoryConfigPath string `json:"repositoryConfigPath"`
	RepositoryCache      string `json:"repositoryCache"`
}

const defaultTimeout = 300 * time.Second

func (o Options) timeout() time.Duration {
	if o.TimeoutSeconds <= 0 {
		return defaultTimeout
	}
	return time.Duration(o.TimeoutSeconds) * time.Second
}
