/** A declaration for Argo CD: objects in sync waves, the Application, and health checks of kinds that it does not know. */
import { filesOf, marked, yamlOf, type RenderedFile } from "./files";
import type { RenderedObject } from "./objects";
import type { RenderSettings } from "./settings";

/** Files of the tree, by their path below {@link RenderSettings.path}. */
export function argoFiles(objects: readonly RenderedObject[], settings: RenderSettings): readonly RenderedFile[] {
  const files = filesOf(objects);
  return [
    { file: "application.yaml", text: yamlOf(application(settings)) },
    {
      file: "argocd-cm.yaml",
      text: `# Merge into the ConfigMap of Argo CD: without it a policy counts as healthy at once.\n${yamlOf(healthChecks)}`,
    },
    ...objects.map((each) => ({
      file: `app/${files.get(each) ?? ""}`,
      text: yamlOf(marked(each, { annotations: annotationsOf(each) })),
    })),
  ];
}

function annotationsOf({ object, layer }: RenderedObject): Record<string, string> {
  return {
    "argocd.argoproj.io/sync-wave": String(layer.rank),
    // with a namespace everything in it would go
    ...(object.kind === "Namespace" ? { "argocd.argoproj.io/sync-options": "Prune=false,Delete=false" } : {}),
  };
}

function application({ name, path, repository, revision }: RenderSettings): unknown {
  return {
    apiVersion: "argoproj.io/v1alpha1",
    kind: "Application",
    metadata: {
      name,
      namespace: "argocd",
      // deleted with the Application, in reverse waves
      finalizers: ["resources-finalizer.argocd.argoproj.io"],
    },
    spec: {
      project: "default",
      source: {
        repoURL: repository,
        targetRevision: revision,
        path: `${path}/app`,
        directory: { recurse: true },
      },
      destination: { server: "https://kubernetes.default.svc" },
      syncPolicy: {
        automated: { prune: true, selfHeal: true },
        syncOptions: ["ServerSideApply=true", "PruneLast=true", "CreateNamespace=false", "FailOnSharedResource=true"],
      },
    },
  };
}

/** Cilium's own word on a policy; everything else that is rendered has no status to wait for. */
const lua = `local health = { status = "Progressing", message = "Cilium has not yet read the policy" }
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    if condition.type == "Valid" then
      health.message = condition.message
      health.status = condition.status == "True" and "Healthy" or "Degraded"
    end
  end
end
return health
`;

const healthChecks = {
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "argocd-cm", namespace: "argocd" },
  data: {
    "resource.customizations.health.cilium.io_CiliumClusterwideNetworkPolicy": lua,
    "resource.customizations.health.cilium.io_CiliumNetworkPolicy": lua,
  },
};
