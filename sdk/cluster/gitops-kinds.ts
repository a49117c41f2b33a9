/** Kinds of the GitOps tools that apply policies: whether one is suspended decides whether a rollback lasts. */

/** A kind of Flux or Argo CD whose objects apply others. */
export interface GitopsKind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** By the word that the tools' command lines have for them. */
export const gitopsKinds = {
  kustomization: { group: "kustomize.toolkit.fluxcd.io", version: "v1", plural: "kustomizations" },
  helmrelease: { group: "helm.toolkit.fluxcd.io", version: "v2", plural: "helmreleases" },
  application: { group: "argoproj.io", version: "v1alpha1", plural: "applications" },
} as const satisfies Readonly<Record<string, GitopsKind>>;
