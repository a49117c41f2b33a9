/** What a learnt declaration would deny of the part of the recording that it was not learnt from. */
import type { ClusterSecurityDeclaration } from "../../plan";
import { Dialect, plan } from "../../plan";
import { podOf } from "../../plan/imagined-pods";
import { resolve } from "../../plan/resolve/resolve";
import type { KubeObject } from "../../reachability";
import { buildSnapshot, compile, profileFor } from "../../reachability";
import type { FlowClass } from "../classes";
import type { ReplayedFlow } from "../replay";
import { replay } from "../replay";
import type { Learned } from "./learn";
import { declarationOf } from "./written";

const answers = { reason: "learnt", owner: "nobody yet" };

/** The declaration that is added to, with what was learnt. */
export function withLearned(
  base: ClusterSecurityDeclaration | undefined,
  learned: Learned,
): ClusterSecurityDeclaration {
  const added = declarationOf(learned, answers);
  return {
    ...base,
    namespaces: [...(base?.namespaces ?? []), ...(added.namespaces ?? [])],
    workloads: [...(base?.workloads ?? []), ...(added.workloads ?? [])],
    flows: [...(base?.flows ?? []), ...(added.flows ?? [])],
  };
}

/**
 * Plans a declaration, and returns what holds recorded flows against its policies, in a cluster of its workloads.
 *
 * @throws DeclarationError where the declaration cannot be planned.
 */
export function judgeOf(
  declaration: ClusterSecurityDeclaration,
): (classes: readonly FlowClass[]) => readonly ReplayedFlow[] {
  const { dialect, limits, namespaces, workloads } = resolve(declaration);
  const objects: KubeObject[] = [
    ...[...namespaces.values()].map(({ name, labels }) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { ...labels } },
    })),
    ...[...workloads.values()].map(podOf),
    ...plan(declaration).documents.map(({ object }) => object as unknown as KubeObject),
  ];
  const profile = { ...profileFor(enforcers[dialect]), ...limits.enforcedWith };
  const reachability = compile(
    buildSnapshot(
      objects.map((object) => ({ object })),
      { profile },
    ),
  );
  return (classes) => replay(classes, reachability);
}

const enforcers: Readonly<Record<Dialect, string>> = {
  [Dialect.Cilium]: "cilium",
  [Dialect.Calico]: "calico",
  [Dialect.Kubernetes]: "kubernetes",
  [Dialect.ClusterNetworkPolicy]: "cilium",
};
