package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// What charts are rendered for when no cluster says its version.
const defaultKubeVersion = "v1.36.0"

// Label on Helm's record of a release: the Pulumi resource that it belongs to.
const ownerLabel = "pulumi-owner"

func run(ctx context.Context, request *Request) (Answer, error) {
	settings := newSettings(request)
	config, err := newConfiguration(request, settings)
	if err != nil {
		return Answer{}, err
	}
	op := &operation{ctx, request, config, settings}
	switch request.Operation {
	case "template":
		return op.template()
	case "install":
		return op.install()
	case "upgrade":
		return op.upgrade()
	case "uninstall":
		return op.uninstall()
	case "status":
		return op.status()
	}
	return Answer{}, coded(codeRequest, fmt.Errorf("unknown operation %q", request.Operation))
}

type operation struct {
	ctx      context.Context
	request  *Request
	config   *action.Configuration
	settings *cli.EnvSettings
}

func (o *operation) postRenderer() (postrender.PostRenderer, error) {
	if o.request.Options.Postrender == "" {
		return nil, nil
	}
	return postrender.NewExec(o.request.Options.Postrender)
}

func (o *operation) template() (Answer, error) {
	client := action.NewInstall(o.config)
	loaded, path, err := o.loadChart(&client.ChartPathOptions)
	if err != nil {
		return Answer{}, err
	}
	wanted := o.request.KubeVersion
	if wanted == "" {
		wanted = defaultKubeVersion
	}
	if client.KubeVersion, err = chartutil.ParseKubeVersion(wanted); err != nil {
		return Answer{}, coded(codeRequest, err)
	}
	if client.PostRenderer, err = o.postRenderer(); err != nil {
		return Answer{}, err
	}
	options := o.request.Options
	client.ClientOnly, client.DryRun, client.Replace = true, true, true
	client.DisableOpenAPIValidation = true
	client.IncludeCRDs = !options.SkipCrds
	client.ReleaseName, client.Namespace = o.request.Name, o.request.Namespace
	client.SubNotes = options.RenderSubchartNotes
	rendered, err := client.RunWithContext(o.ctx, loaded, o.request.Values)
	if err != nil {
		return Answer{}, err
	}
	if options.Lint {
		if err := o.lint(path); err != nil {
			return Answer{}, err
		}
	}
	manifest := rendered.Manifest
	if !options.DisableWebhooks {
		for _, hook := range rendered.Hooks {
			manifest += fmt.Sprintf("\n---\n# Source: %s\n%s", hook.Path, hook.Manifest)
		}
	}
	described, err := describe(rendered)
	if err != nil {
		return Answer{}, err
	}
	described.ResourceNames, err = resourceNames(manifest)
	return Answer{Release: described, Manifest: manifest}, err
}

// lint says in one error what `helm lint` finds wrong.
func (o *operation) lint(path string) error {
	result := action.NewLint().Run([]string{path}, o.request.Values)
	if len(result.Errors) == 0 {
		return nil
	}
	return coded(codeChart, fmt.Errorf("helm lint: %w", errors.Join(result.Errors...)))
}

func (o *operation) install() (Answer, error) {
	own, err := o.ownRelease()
	if err != nil {
		return Answer{}, err
	}
	replace := o.request.Options.Replace
	if own != nil {
		// An earlier install of this resource was cut off before its end was recorded.
		if own.Info.Status == release.StatusDeployed {
			return o.upgrade()
		}
		if err := o.markFailed(own); err != nil {
			return Answer{}, err
		}
		replace = true
	}
	client := action.NewInstall(o.config)
	loaded, _, err := o.loadChart(&client.ChartPathOptions)
	if err != nil {
		return Answer{}, err
	}
	if client.PostRenderer, err = o.postRenderer(); err != nil {
		return Answer{}, err
	}
	options := o.request.Options
	client.ReleaseName, client.Namespace = o.request.Name, o.request.Namespace
	client.Atomic = options.Atomic
	client.CreateNamespace = options.CreateNamespace
	client.Description = options.Description
	client.DisableHooks = options.DisableWebhooks
	client.DisableOpenAPIValidation = options.DisableOpenapiValidation
	client.Labels = o.labels()
	client.Replace = replace
	client.SkipCRDs = options.SkipCrds
	client.SubNotes = options.RenderSubchartNotes
	client.TakeOwnership = options.TakeOwnership
	client.Timeout = options.timeout()
	client.Wait = !options.SkipAwait
	client.WaitForJobs = !options.SkipAwait && options.WaitForJobs
	rel, err := client.RunWithContext(o.ctx, loaded, o.request.Values)
	return o.outcome(rel, err)
}

func (o *operation) upgrade() (Answer, error) {
	if err := o.endCutOffOperation(); err != nil {
		return Answer{}, err
	}
	client := action.NewUpgrade(o.config)
	loaded, _, err := o.loadChart(&client.ChartPathOptions)
	if err != nil {
		return Answer{}, err
	}
	if client.PostRenderer, err = o.postRenderer(); err != nil {
		return Answer{}, err
	}
	options := o.request.Options
	client.Namespace = o.request.Namespace
	client.Atomic = options.Atomic
	client.CleanupOnFail = options.CleanupOnFail
	client.Description = options.Description
	client.DisableHooks = options.DisableCRDHooks || options.DisableWebhooks
	client.DisableOpenAPIValidation = options.DisableOpenapiValidation
	client.Force = options.ForceUpdate
	client.Labels = o.labels()
	client.MaxHistory = options.MaxHistory
	client.Recreate = options.RecreatePods
	client.ResetValues, client.ReuseValues = options.ResetValues, options.ReuseValues
	client.SkipCRDs = options.SkipCrds
	client.SubNotes = options.RenderSubchartNotes
	client.TakeOwnership = options.TakeOwnership
	client.Timeout = options.timeout()
	client.Wait = !options.SkipAwait
	client.WaitForJobs = !options.SkipAwait && options.WaitForJobs
	rel, err := client.RunWithContext(o.ctx, o.request.Name, loaded, o.request.Values)
	return o.outcome(rel, err)
}

// outcome describes what is in the cluster after the operation: after a
// rollback that is the revision that was rolled back to.
func (o *operation) outcome(rel *release.Release, err error) (Answer, error) {
	if err == nil {
		described, err := describe(rel)
		return Answer{Release: described}, err
	}
	// A release of this name that somebody else made must not end up in the
	// state of this resource, which would uninstall it one day.
	if o.request.Operation == "install" {
		if own, ownErr := o.ownRelease(); ownErr != nil || own == nil {
			return Answer{}, err
		}
	}
	answer, statusErr := o.status()
	if statusErr != nil {
		return Answer{}, err
	}
	return answer, coded(codeFailed, err)
}

func (o *operation) uninstall() (Answer, error) {
	options := o.request.Options
	client := action.NewUninstall(o.config)
	client.DisableHooks = options.DisableWebhooks
	client.Timeout = options.timeout()
	client.Wait = options.Atomic || !options.SkipAwait
	_, err := client.Run(o.request.Name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return Answer{}, nil
	}
	return Answer{}, err
}

func (o *operation) status() (Answer, error) {
	rel, err := action.NewGet(o.config).Run(o.request.Name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return Answer{}, coded(codeNotFound, err)
	}
	if err != nil {
		return Answer{}, err
	}
	described, err := describe(rel)
	return Answer{Release: described}, err
}

func (o *operation) labels() map[string]string {
	if o.request.Owner == "" {
		return nil
	}
	return map[string]string{ownerLabel: o.request.Owner}
}

// ownRelease is the last revision of a release of this name that this resource
// made, if there is one.
func (o *operation) ownRelease() (*release.Release, error) {
	last, err := o.config.Releases.Last(o.request.Name)
	if err != nil {
		if errors.Is(err, driver.ErrReleaseNotFound) {
			return nil, nil
		}
		return nil, err
	}
	if o.request.Owner == "" || last.Labels[ownerLabel] != o.request.Owner {
		return nil, nil
	}
	return last, nil
}

// endCutOffOperation lets an upgrade follow one of this resource that ended
// without a result: Pulumi holds a lock on the stack, so it cannot be running.
func (o *operation) endCutOffOperation() error {
	own, err := o.ownRelease()
	if err != nil || own == nil || !own.Info.Status.IsPending() {
		return err
	}
	return o.markFailed(own)
}

func (o *operation) markFailed(rel *release.Release) error {
	if !rel.Info.Status.IsPending() {
		return nil
	}
	rel.SetStatus(release.StatusFailed, "the operation was cut off before it ended")
	return o.config.Releases.Update(rel)
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }
