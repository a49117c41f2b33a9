package main

import (
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/registry"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// clusterAccess reaches a cluster by the text of a kubeconfig, so that no file
// with credentials has to be written.
type clusterAccess struct {
	config clientcmd.ClientConfig
}

func newClusterAccess(kubeconfig, namespace string) (*clusterAccess, error) {
	parsed, err := clientcmd.Load([]byte(kubeconfig))
	if err != nil {
		return nil, err
	}
	overrides := &clientcmd.ConfigOverrides{}
	// objects of a chart that name no namespace go to that of the release
	overrides.Context.Namespace = namespace
	return &clusterAccess{clientcmd.NewDefaultClientConfig(*parsed, overrides)}, nil
}

func (c *clusterAccess) ToRESTConfig() (*rest.Config, error) {
	config, err := c.config.ClientConfig()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 300
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

func (c *clusterAccess) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	config, err := c.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(client), nil
}

func (c *clusterAccess) ToRESTMapper() (meta.RESTMapper, error) {
	client, err := c.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(client)
	return restmapper.NewShortcutExpander(mapper, client, nil), nil
}

func (c *clusterAccess) ToRawKubeConfigLoader() clientcmd.ClientConfig { return c.config }

// nodelessClient does everything but wait for pods: where no node is ready
// none ever starts, neither those of the chart nor those of its hooks.
type nodelessClient struct{ *kube.Client }

func (nodelessClient) Wait(kube.ResourceList, time.Duration) error            { return nil }
func (nodelessClient) WaitWithJobs(kube.ResourceList, time.Duration) error    { return nil }
func (nodelessClient) WatchUntilReady(kube.ResourceList, time.Duration) error { return nil }

func quiet(string, ...any) {}

func newSettings(request *Request) *cli.EnvSettings {
	settings := cli.New()
	set := func(target *string, value string) {
		if value != "" {
			*target = value
		}
	}
	set(&settings.PluginsDirectory, request.Settings.PluginsPath)
	set(&settings.RegistryConfig, request.Settings.RegistryConfigPath)
	set(&settings.RepositoryConfig, request.Settings.RepositoryConfigPath)
	set(&settings.RepositoryCache, request.Settings.RepositoryCache)
	return settings
}

// newConfiguration prepares Helm. Without a kubeconfig it can only render.
func newConfiguration(request *Request, settings *cli.EnvSettings) (*action.Configuration, error) {
	config := new(action.Configuration)
	config.Log = quiet
	if request.Kubeconfig != "" {
		access, err := newClusterAccess(request.Kubeconfig, request.Namespace)
		if err != nil {
			return nil, err
		}
		if err := config.Init(access, request.Namespace, request.Driver, quiet); err != nil {
			return nil, err
		}
		if client, ok := config.KubeClient.(*kube.Client); ok {
			client.Namespace = request.Namespace
			if request.Nodeless {
				config.KubeClient = nodelessClient{client}
			}
		}
	}
	client, err := registry.NewClient(registry.ClientOptCredentialsFile(settings.RegistryConfig))
	if err != nil {
		return nil, err
	}
	config.RegistryClient = client
	return config, nil
}
