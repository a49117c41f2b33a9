/** What a rendering is told beside the plan. */

/** Tools that a declaration is rendered for. */
export const renderTargets = ["flux", "argocd", "kustomize", "plain"] as const;
/** One of {@link renderTargets}. */
export type RenderTarget = (typeof renderTargets)[number];

/** Every one has a default. */
export interface RenderSettings {
  /** Folder of the policies in the repository. Default `kubernetes/apps/security/network-policies`. */
  readonly path: string;
  /** Name of the last Flux Kustomization or of the Argo CD Application, and beginning of the others. Default `network-policies`. */
  readonly name: string;
  /** Flux: the GitRepository. Default `k8s-ops`. */
  readonly source: string;
  /** Flux: Kustomizations that are ready before the first policy is applied. Default `cluster-infrastructure`. */
  readonly dependsOn: readonly string[];
  /** Flux: what `targetNamespace` is for what has no namespace. Default `security`. */
  readonly targetNamespace: string;
  /** Argo CD: the repository's address. */
  readonly repository: string;
  /** Argo CD: branch, tag or commit. Default `HEAD`. */
  readonly revision: string;
}

/** The defaults of {@link RenderSettings}. */
export const defaultSettings: RenderSettings = {
  path: "kubernetes/apps/security/network-policies",
  name: "network-policies",
  source: "k8s-ops",
  dependsOn: ["cluster-infrastructure"],
  targetNamespace: "security",
  repository: "",
  revision: "HEAD",
};
