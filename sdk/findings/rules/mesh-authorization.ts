import type { Condition, Peer, PeerTerm } from "../../reachability";
import { describeRef, TrafficSet } from "../../reachability";
import { controls } from "../controls";
import { meshOf } from "../mesh";
import { meshPolicyObjects, rulesOf, testsIn } from "../policy-rules";
import { aboutPolicy, findingOf } from "../report";
import { describeWorkload, list, namespaceSubject, sampleFlow } from "../subjects";
import type { Finding, Rule, RuleContext } from "../types";

/** Encryption says who speaks, not who may: without an AuthorizationPolicy everybody in the mesh may (S0-06, S0-16). */
export const meshAuthorizationDefault: Rule = {
  id: "mesh-authorization-default",
  title: "The mesh admits only who is named",
  severity: "medium",
  why: "Where no AuthorizationPolicy allows somebody by name, Istio allows everybody, and an ALLOW with an empty rule allows everybody again.",
  description:
    "A pod with an identity in the mesh that no policy names is refused by every pod of the mesh, over TCP; decided by " +
    "computed reachability with the AuthorizationPolicies alone.",
  remediation:
    "Put an AuthorizationPolicy without rules (`spec: {}`) into the root namespace or the namespace, and name each " +
    "caller's service account in an ALLOW.",
  controls: [controls.nistInformationFlow, controls.nistLeastPrivilege, controls.nistInternalConnections],
  check: checkDefault,
};

/** Names with a wildcard name people who do not exist yet. */
export const meshPrincipalWildcard: Rule = {
  id: "mesh-principal-wildcard",
  title: "Callers in the mesh are named in full",
  severity: "medium",
  why: "A principal with a wildcard admits accounts that nobody has created yet, and one that is only excluded admits all others, plaintext included.",
  description:
    "No ALLOW rule of an AuthorizationPolicy names principals, service accounts, namespaces or trust domains by a " +
    "wildcard, or by exclusion alone.",
  remediation: "Name the service accounts: `cluster.local/ns/<namespace>/sa/<account>`.",
  controls: [controls.nistLeastPrivilege, controls.nistInformationFlow],
  check: checkPrincipals,
};

const tcp = TrafficSet.protocol("TCP");

function* checkDefault(context: RuleContext): Iterable<Finding> {
  const mesh = meshOf(context.reachability, context.tiers.exemptNamespaces);
  if (mesh === undefined) return;
  for (const { namespace, fresh, workloads } of mesh.members) {
    const pods: [Peer, string][] = [
      ...(fresh === undefined ? [] : [[fresh, "every new pod"] as [Peer, string]]),
      ...workloads.map((workload): [Peer, string] => [
        { kind: "workload", id: workload.id },
        describeWorkload(workload, context.standIns),
      ]),
    ];
    for (const certain of [true, false]) {
      const open = pods.filter(([pod]) => {
        const { allowed, possible } = mesh.authorization.traffic(mesh.stranger, pod);
        const isCertain = !allowed.intersect(tcp).isEmpty();
        return certain ? isCertain : !isCertain && !possible.intersect(tcp).isEmpty();
      });
      const first = open[0];
      if (first === undefined) continue;
      const traffic = mesh.authorization.traffic(mesh.stranger, first[0]);
      const flow = sampleFlow(
        mesh.stranger,
        first[0],
        (certain ? traffic.allowed : traffic.possible).intersect(tcp),
        [443, 80],
      );
      const rule = mesh.authorization.explain(flow).mesh?.deciding;
      yield findingOf(meshAuthorizationDefault, {
        subject: namespaceSubject(context.reachability.snapshot, namespace),
        certainty: certain ? "definite" : "possible",
        message: `Anybody in the mesh ${certain ? "may" : "possibly may"} call pods of namespace ${namespace} (${list(open.map(([, who]) => who))})`,
        because: [
          rule === undefined
            ? "no AuthorizationPolicy that is about them admits callers by name, so all are admitted"
            : `${describeRef(rule.policy)}, ${rule.path} admits whoever it is`,
        ],
        causes: [rule?.source],
      });
    }
  }
}

function* checkPrincipals(context: RuleContext): Iterable<Finding> {
  for (const { origin, parts } of meshPolicyObjects(context.reachability.snapshot)) {
    if (origin.kind !== "AuthorizationPolicy") continue;
    const rules = parts.flatMap(rulesOf).filter((rule) => rule.verdict === "allow");
    const byWildcard = pathsOf(rules.filter((rule) => rule.peers.some(hasWildcard)));
    const byExclusion = pathsOf(rules.filter((rule) => rule.peers.some((peer) => excludes(peer) && !names(peer))));
    const because = [
      ...(byWildcard.length === 0 ? [] : [`${list(byWildcard)} names callers by a wildcard`]),
      ...(byExclusion.length === 0 ? [] : [`${list(byExclusion)} names only who is not meant, so everybody else is`]),
    ];
    if (because.length === 0) continue;
    yield aboutPolicy(meshPrincipalWildcard, origin, {
      message: `${describeRef(origin)} admits callers that it does not name in full`,
      because,
    });
  }
}

/** A policy is read once for sidecars and once for ambient mode. */
function pathsOf(rules: readonly { readonly path: string }[]): string[] {
  return [...new Set(rules.map((rule) => rule.path))];
}

const identityFields: ReadonlySet<string> = new Set(["principal", "meshNamespace", "meshAccount", "meshTrustDomain"]);
const wildcards: ReadonlySet<string> = new Set(["exists", "startsWith", "endsWith", "contains"]);

function hasWildcard(peer: PeerTerm): boolean {
  return positive(peer).some((where) =>
    testsIn(where).some((test) => identityFields.has(test.field) && wildcards.has(test.operator)),
  );
}

function names(peer: PeerTerm): boolean {
  return positive(peer).some((where) => testsIn(where).some((test) => identityFields.has(test.field)));
}

/**
 * Excludes somebody by name. `notPrincipals: ["*"]` is left out: it means peers without an identity, for whom a port has
 * to take plaintext, which is a finding of its own.
 */
function excludes(peer: PeerTerm): boolean {
  return conditionsOf(peer).some(
    (where) => where.op === "not" && testsIn(where).some((test) => test.operator !== "exists"),
  );
}

function positive(peer: PeerTerm): Condition[] {
  return conditionsOf(peer).filter((where) => where.op !== "not");
}

function conditionsOf(peer: PeerTerm): Condition[] {
  if (peer.kind === "and" || peer.kind === "or") return peer.of.flatMap(conditionsOf);
  return peer.kind === "identities" || peer.kind === "pods" ? [peer.where] : [];
}
