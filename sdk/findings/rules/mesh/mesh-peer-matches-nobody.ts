import type { PolicySource, Snapshot } from "../../../reachability";
import { describeRef, meshModeIn, meshModeOfWorkload } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf, textOf } from "../../plain";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** A caller that nobody can be: the rule does nothing, and for a DENY that looks like protection. */
export const meshPeerMatchesNobody: Rule = {
  id: "mesh-peer-matches-nobody",
  title: "An AuthorizationPolicy names callers that do not exist in the mesh",
  severity: "medium",
  why: "A principal in another spelling than Istio's, or a namespace whose pods have no identity, matches no caller, and Istio reports nothing.",
  description:
    "No principal of an AuthorizationPolicy begins with spiffe:// or has another form than " +
    "`<trust domain>/ns/<namespace>/sa/<service account>`, and no principal, namespace or service account names a namespace " +
    "of the snapshot without any pod in the mesh.",
  remediation:
    "Write `<trust domain>/ns/<namespace>/sa/<service account>` without spiffe://; take callers into the mesh, or name them by " +
    "ipBlocks or in a NetworkPolicy.",
  controls: [controls.nistInformationFlow, controls.pciRuleSets],
  check: checkPeers,
};

function* checkPeers(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const outside = namespacesOutside(snapshot);
  for (const policy of snapshot.policies) {
    if (policy.kind !== "AuthorizationPolicy") continue;
    const because = [...namesOf(policy)].flatMap((name) => whyNobody(name, outside));
    if (because.length === 0) continue;
    yield aboutPolicy(meshPeerMatchesNobody, policy, {
      message: `${describeRef(policy)} names callers that do not exist in the mesh`,
      because: [...new Set(because)],
    });
  }
}

interface Name {
  readonly kind: "principal" | "namespace" | "account";
  readonly text: string;
  readonly path: string;
}

const sourceFields: Readonly<Record<string, Name["kind"]>> = {
  principals: "principal",
  notPrincipals: "principal",
  namespaces: "namespace",
  notNamespaces: "namespace",
  serviceAccounts: "account",
  notServiceAccounts: "account",
};
const whenKeys: Readonly<Record<string, Name["kind"]>> = {
  "source.principal": "principal",
  "source.namespace": "namespace",
  "source.serviceAccount": "account",
};

function* namesOf({ object }: PolicySource): Iterable<Name> {
  for (const [index, rule] of listOf(mapOf(object.spec)["rules"]).map(mapOf).entries()) {
    for (const [place, from] of listOf(rule["from"]).map(mapOf).entries()) {
      const source = mapOf(from["source"]);
      for (const [field, kind] of Object.entries(sourceFields)) {
        yield* texts(source[field], kind, `spec.rules[${index}].from[${place}].source.${field}`);
      }
    }
    for (const [place, condition] of listOf(rule["when"]).map(mapOf).entries()) {
      const kind = whenKeys[textOf(condition["key"]) ?? ""];
      if (kind === undefined) continue;
      for (const field of ["values", "notValues"]) {
        yield* texts(condition[field], kind, `spec.rules[${index}].when[${place}].${field}`);
      }
    }
  }
}

function* texts(value: unknown, kind: Name["kind"], path: string): Iterable<Name> {
  for (const [index, each] of listOf(value).entries()) {
    const text = textOf(each);
    if (text !== undefined && text !== "") yield { kind, text, path: `${path}[${index}]` };
  }
}

const full = /^[^/]+\/ns\/([^/]+)\/sa\/[^/]+$/;
/** Only what looks like the name of a namespace and an account is repeated: other values may be secrets. */
const shown = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

function whyNobody({ kind, text, path }: Name, outside: ReadonlySet<string>): string[] {
  if (kind === "principal") {
    if (text.startsWith("spiffe://")) return [`${path} begins with spiffe://, which principals are written without`];
    if (text.includes("*")) return [];
    const namespace = full.exec(text)?.[1];
    if (namespace === undefined) {
      const what = shown.test(text) ? `${path} (${text})` : path;
      return [`${what} is not of the form <trust domain>/ns/<namespace>/sa/<service account>`];
    }
    return outsideMesh(namespace, path, outside);
  }
  const namespace = kind === "namespace" ? text : text.includes("/") ? text.split("/")[0] : undefined;
  return namespace === undefined ? [] : outsideMesh(namespace, path, outside);
}

function outsideMesh(namespace: string, path: string, outside: ReadonlySet<string>): string[] {
  return outside.has(namespace)
    ? [`${path}: namespace ${namespace} has no pod in the mesh, so its pods have no identity and match nothing`]
    : [];
}

/** Namespaces that the snapshot states, with pods, none of which takes part in the mesh. */
function namespacesOutside(snapshot: Snapshot): ReadonlySet<string> {
  const outside = new Set<string>();
  for (const { name, implied } of snapshot.namespaces.values()) {
    if (!implied && meshModeIn(snapshot, name) === undefined) outside.add(name);
  }
  const inhabited = new Set<string>();
  for (const workload of snapshot.workloads) {
    inhabited.add(workload.namespace);
    if (meshModeOfWorkload(snapshot, workload) !== undefined) outside.delete(workload.namespace);
  }
  for (const name of outside) if (!inhabited.has(name)) outside.delete(name);
  return outside;
}
