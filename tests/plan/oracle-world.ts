/** Declarations as the oracles see them: plain pods with addresses, and every flow asked one at a time. */
import assert from "node:assert/strict";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { OracleCluster, OracleFlow, Party, PolicyObject } from "../oracle/cluster";
import type { Attempt, End } from "./expectation";
import { isDeclared } from "./expectation";
import { literal } from "./literal";

const outside = ["8.8.8.8", "203.0.113.77", "10.0.5.5", "10.1.5.5", "2001:db8::7"];
const attempts: readonly Attempt[] = (["TCP", "UDP", "SCTP"] as const).flatMap((protocol) =>
  [53, 80, 443, 8000, 8500, 9001].map((port) => ({ protocol, port })),
);

/** The declared workloads as pods. */
export function oracleClusterOf(
  declaration: ClusterSecurityDeclaration,
  addressOf: (index: number) => string,
): OracleCluster {
  const dns = { name: "kube-dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };
  const workloads: NonNullable<ClusterSecurityDeclaration["workloads"]> = [...(declaration.workloads ?? []), dns];
  const pods = literal(workloads).map(({ namespace, name, labels, serviceAccount }, index) => ({
    namespace,
    name,
    labels: labels ?? { app: name },
    serviceAccount: serviceAccount ?? "default",
    hostNetwork: false,
    ports: [],
    addresses: [addressOf(index + 1)],
  }));
  const names = [...new Set([...pods.map((pod) => pod.namespace), "alpha", "beta", "gamma"])];
  return { namespaces: names.map((name) => ({ name, labels: {} })), pods };
}

/** The policies of a declaration, as the oracles take them. */
export function policiesOf(declaration: ClusterSecurityDeclaration): PolicyObject[] {
  return plan(declaration).documents.map(({ object }) => object as unknown as PolicyObject);
}

/** An oracle allows the declared flows between pods and with addresses outside, and nothing else. */
export function assertAsDeclared(
  declaration: ClusterSecurityDeclaration,
  cluster: OracleCluster,
  allows: (policies: readonly PolicyObject[], flow: OracleFlow) => boolean,
): void {
  const policies = policiesOf(declaration);
  const ends: readonly End[] = [
    ...cluster.pods.map((pod) => ({ pod: `${pod.namespace}/${pod.name}` })),
    ...outside.map((address) => ({ address })),
  ];
  const partyOf = (end: End): Party => {
    if ("address" in end) return { kind: "address", address: end.address };
    const pod = cluster.pods.find((one) => `${one.namespace}/${one.name}` === end.pod);
    return { kind: "pod", pod: pod ?? assert.fail(end.pod) };
  };
  for (const from of ends) {
    for (const to of ends) {
      if (!("pod" in from || "pod" in to) || JSON.stringify(from) === JSON.stringify(to)) continue;
      for (const attempt of attempts) {
        assert.equal(
          allows(policies, { source: partyOf(from), destination: partyOf(to), ...attempt }),
          isDeclared(declaration, from, to, attempt),
          `${JSON.stringify(from)} → ${JSON.stringify(to)} ${attempt.protocol} ${attempt.port}`,
        );
      }
    }
  }
}
