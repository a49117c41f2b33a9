/** Renderings as trees of files, and what the real kustomize makes of them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadAll } from "js-yaml";
import type { Plan } from "../../sdk/plan/index";
import { namespaceObject } from "../../sdk/plan/index";
import { isClusterwide } from "../../sdk/reachability/index";
import type { RenderedFile } from "../../sdk/render";

export interface Kube {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  spec?: unknown;
}

export interface FluxKustomization extends Kube {
  spec: {
    path: string;
    targetNamespace?: string;
    dependsOn?: { name: string; readyExpr?: string }[];
    patches: { target: { labelSelector: string }; patch: string }[];
    healthCheckExprs?: { kind: string }[];
  };
}

/** The objects that the component registers: those of the plan, and its namespaces. */
export function componentsObjects({ documents, namespaces }: Plan): Kube[] {
  return [
    ...documents.map(({ object }) => object as unknown as Kube),
    ...namespaces.flatMap((one) => (namespaceObject(one) as Kube | undefined) ?? []),
  ];
}

export function objectsIn(files: readonly RenderedFile[]): Kube[] {
  return files
    .filter(({ file }) => !/(^|\/)(kustomization|ks|application|argocd-cm)\.yaml$/.test(file))
    .flatMap(({ text }) => loadAll(text) as Kube[]);
}

/** Without the marks that tell a tool what to do with the object. */
export function unmarked(object: Kube): Kube {
  const without = (map: Record<string, string> = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(map).filter(
        ([key]) =>
          !/^(pulumi-cluster-security\/stage|argocd\.argoproj\.io\/.*|kustomize\.toolkit\.fluxcd\.io\/.*)$/.test(key),
      ),
    );
  const { annotations, labels, ...metadata } = object.metadata;
  const kept = without(annotations);
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: without(labels),
      ...(Object.keys(kept).length === 0 ? {} : { annotations: kept }),
    },
  };
}

export function byName(objects: readonly Kube[]): Kube[] {
  const key = ({ kind, metadata }: Kube): string => `${metadata.namespace ?? ""}/${metadata.name} ${kind}`;
  return [...objects].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The Flux Kustomizations of a tree, in the order of the file. */
export function kustomizationsOf(files: readonly RenderedFile[]): FluxKustomization[] {
  return loadAll(files.find(({ file }) => file === "ks.yaml")?.text ?? "") as FluxKustomization[];
}

/** What the API server keeps: it drops the namespace of an object that has none, and kustomize does not know the kinds. */
export function asServed(object: Kube): Kube {
  if (!isClusterwide(object.apiVersion, object.kind)) return object;
  const { namespace: _namespace, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** What kustomize makes of one Flux Kustomization, as the controller asks it. */
export function builtOf(files: readonly RenderedFile[], spec: FluxKustomization["spec"]): Kube[] {
  const folder = written(files);
  try {
    const own = path.join(folder, "built");
    mkdirSync(own);
    const { patches, targetNamespace } = spec;
    writeFileSync(
      path.join(own, "kustomization.yaml"),
      JSON.stringify({
        resources: ["../app"],
        patches,
        ...(targetNamespace === undefined ? {} : { namespace: targetNamespace }),
      }),
    );
    return (loadAll(kustomize(own)) as (Kube | undefined | null)[]).filter((one) => one !== undefined && one !== null);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function written(files: readonly RenderedFile[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-render-"));
  for (const { file, text } of files) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
  return folder;
}

export function kustomize(folder: string): string {
  const done = spawnSync("kubectl", ["kustomize", folder], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

/** Whether kustomize can be run here. */
export function hasKustomize(): boolean {
  return spawnSync("kubectl", ["version", "--client"]).status === 0;
}
