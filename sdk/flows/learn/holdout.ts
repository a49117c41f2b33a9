/** What a learnt declaration would deny of the part of the recording that it was not learnt from. */
import type { ClusterSecurityDeclaration } from "../../plan";
import { imaginedCluster, plan } from "../../plan";
import type { KubeObject } from "../../reachability";
import { buildSnapshot, compile } from "../../reachability";
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
  const { objects: imagined, profile } = imaginedCluster(declaration);
  const objects = [...imagined, ...plan(declaration).documents.map(({ object }) => object as unknown as KubeObject)];
  const reachability = compile(
    buildSnapshot(
      objects.map((object) => ({ object })),
      { profile },
    ),
  );
  return (classes) => replay(classes, reachability);
}
