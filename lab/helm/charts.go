package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/getter"
)

const defaultChartTimeout = 30 * time.Second

// loadChart finds and loads the chart within a bounded time: a repository that
// does not answer must not hold a preview for minutes.
func (o *operation) loadChart(options *action.ChartPathOptions) (*chart.Chart, string, error) {
	source := o.request.Chart
	limit := defaultChartTimeout
	if source.TimeoutSeconds > 0 {
		limit = time.Duration(source.TimeoutSeconds) * time.Second
	}
	type result struct {
		chart *chart.Chart
		path  string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		loaded, path, err := o.findChart(options)
		done <- result{loaded, path, err}
	}()
	select {
	case found := <-done:
		if found.err != nil {
			return nil, "", coded(codeChart, found.err)
		}
		return found.chart, found.path, nil
	case <-time.After(limit):
		return nil, "", coded(codeChart, fmt.Errorf("no answer within %s", limit))
	}
}

func (o *operation) findChart(options *action.ChartPathOptions) (*chart.Chart, string, error) {
	source := o.request.Chart
	options.Version = source.Version
	if options.Version == "" && source.Devel {
		options.Version = ">0.0.0-0"
	}
	options.RepoURL = source.Repo
	options.Username, options.Password = source.Username, source.Password
	options.CaFile, options.CertFile, options.KeyFile = source.CAFile, source.CertFile, source.KeyFile
	options.Verify, options.Keyring = source.Verify, source.Keyring

	name := strings.TrimSpace(source.Name)
	if name == "" {
		return nil, "", errors.New("no chart is named")
	}
	// a folder that only has the name of the chart is no chart
	if info, err := os.Stat(name); err == nil && info.IsDir() && !isChartFolder(name) {
		if source.Repo == "" {
			return nil, "", fmt.Errorf("the folder %s holds no Chart.yaml", name)
		}
		return nil, "", fmt.Errorf("the folder %s of the same name hides the chart of the repository", name)
	}
	path, err := options.LocateChart(name, o.settings)
	if err != nil {
		return nil, "", err
	}
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, "", err
	}
	if err := o.checkDependencies(loaded, path); err != nil {
		return nil, "", err
	}
	if source.DependencyUpdate {
		if loaded, err = loader.Load(path); err != nil {
			return nil, "", err
		}
	}
	if kind := loaded.Metadata.Type; kind != "" && kind != "application" {
		return nil, "", fmt.Errorf("%s charts are not installable", kind)
	}
	return loaded, path, nil
}

func isChartFolder(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "Chart.yaml"))
	return err == nil
}

func (o *operation) checkDependencies(loaded *chart.Chart, path string) error {
	dependencies := loaded.Metadata.Dependencies
	if dependencies == nil {
		return nil
	}
	missing := action.CheckDependencies(loaded, dependencies)
	if missing == nil {
		return nil
	}
	if !o.request.Chart.DependencyUpdate {
		return missing
	}
	manager := &downloader.Manager{
		Out:              os.Stderr,
		ChartPath:        path,
		Keyring:          o.request.Chart.Keyring,
		Getters:          getter.All(o.settings),
		RepositoryConfig: o.settings.RepositoryConfig,
		RepositoryCache:  o.settings.RepositoryCache,
		RegistryClient:   o.config.RegistryClient,
	}
	return manager.Update()
}
