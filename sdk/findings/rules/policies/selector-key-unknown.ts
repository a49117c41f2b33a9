import { ciliumNamespaceLabel, namespaceNameLabel } from "../../../reachability/model/namespace-labels";
import type { Condition, PeerTerm, PolicySource, Snapshot, Test } from "../../../reachability";
import { describeRef, isAllRead } from "../../../reachability";
import { controls } from "../../controls";
import type { Fields } from "../../plain";
import { listOf, mapOf, textOf } from "../../plain";
import { anyWorkloadsWhere, meshPolicyObjects, policyObjects, rulesOf, testsIn } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { isMisspelling } from "../../spelling";
import type { Finding, Rule, RuleContext } from "../../types";

/** A key that belongs elsewhere or is misspelt makes a selector that fits nobody. */
export const selectorKeyUnknown: Rule = {
  id: "selector-key-unknown",
  title: "A selector asks for a label that no object has",
  severity: "medium",
  why: "A selector with a wrong key selects no pod: the policy still isolates its own pods, and what it seems to allow stays denied.",
  description:
    "No selector asks for a key that is written as another API writes it (namespace labels in Cilium, Calico and Kubernetes " +
    "have different names), where no object that was read has such a label; and none asks for a value that pods carry under " +
    "another key, where no pod has the key.",
  remediation: "Use the key that the finding names.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkKeys,
};

function* checkKeys(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const keys = keysIn(snapshot);
  for (const { origin, parts } of [...policyObjects(snapshot), ...meshPolicyObjects(snapshot)]) {
    const selectors = parts.flatMap((part) => [
      ...(part.subject.kind === "pods" ? [{ path: "its selector of pods", where: part.subject.where }] : []),
      ...rulesOf(part).flatMap(({ path, peers }) => peers.flatMap(conditionsOf).map((where) => ({ path, where }))),
    ]);
    const found = selectors.flatMap(({ path, where }) =>
      testsIn(where).flatMap((test) => {
        const right = rightKey(test, where, origin, snapshot, keys);
        return right === undefined ? [] : [{ text: `${path} asks for ${test.key}, ${right.text}`, fix: right.fix }];
      }),
    );
    // Cilium drops some labels before the rules are compared, so that misspelt ones of them are seen in the object alone
    for (const key of origin.dialect === "cilium" ? keysWritten(origin.object.spec) : []) {
      const fix = keys.pods.has(key) ? undefined : rightSpelling(key, origin);
      const text = `its selectors ask for ${key}, which no pod has`;
      if (fix !== undefined && !found.some((each) => each.text.includes(` ${key},`))) found.push({ text, fix });
    }
    const [first] = found;
    if (first === undefined) continue;
    yield aboutPolicy(selectorKeyUnknown, origin, {
      message: `${describeRef(origin)} selects by a label that no object has`,
      because: [...new Set(found.map(({ text }) => text))],
      fix: first.fix,
    });
  }
}

/** The keys of all label selectors below a value, as they are written. */
function keysWritten(value: unknown, depth = 0): string[] {
  if (typeof value !== "object" || value === null || depth > 12) return [];
  if (Array.isArray(value)) return value.flatMap((each: unknown) => keysWritten(each, depth + 1));
  return Object.entries(value as Fields).flatMap(([field, inner]) => {
    if (field === "matchLabels") return Object.keys(mapOf(inner)).filter(isLabelKey);
    if (field !== "matchExpressions") return keysWritten(inner, depth + 1);
    return listOf(inner).flatMap((each) => {
      const key = textOf(mapOf(each)["key"]);
      return key !== undefined && isLabelKey(key) ? [key] : [];
    });
  });
}

/** What may appear in a message as a label's key. */
function isLabelKey(text: string): boolean {
  return text.length < 254 && /^([a-z0-9]+:)?[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/.test(text);
}

interface Right {
  /** What follows "asks for <key>, ". */
  readonly text: string;
  readonly fix: string;
}

interface Keys {
  readonly pods: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
}

const keysOfSnapshot = new WeakMap<Snapshot, Keys>();

/** The label keys of all pods and namespaces that were read. */
function keysIn(snapshot: Snapshot): Keys {
  let keys = keysOfSnapshot.get(snapshot);
  if (keys === undefined) {
    keys = {
      pods: new Set(snapshot.workloads.flatMap(({ labels }) => Object.keys(labels))),
      namespaces: new Set([...snapshot.namespaces.values()].flatMap(({ labels }) => Object.keys(labels))),
    };
    keysOfSnapshot.set(snapshot, keys);
  }
  return keys;
}

/** What should be there instead of a key; nothing where the key may be meant as it is. */
function rightKey(
  test: Test,
  where: Condition,
  origin: PolicySource,
  snapshot: Snapshot,
  keys: Keys,
): Right | undefined {
  const { field, key, operator } = test;
  if (operator !== "in" && operator !== "exists") return undefined;
  if (field === "namespaceLabel")
    return keys.namespaces.has(key) ? undefined : rightNamespaceKey(test, origin, snapshot);
  if (field !== "label") return undefined;
  const written = keys.pods.has(key) ? undefined : rightSpelling(key, origin);
  if (written !== undefined) return { text: "which no pod has", fix: written };
  return otherKey(test, where, snapshot);
}

/** The key that a finding names as wrong, and the one that is right, where it says both. */
export function rightKeyIn({
  because: [first = ""],
  fix,
}: Finding): { readonly wrong: string; readonly right: string }[] {
  const [, wrong] = / asks? for (\S+), (?:which|and) no /.exec(first) ?? [];
  const [, right] =
    /^(?:Use the key (\S+), under|Name the (?:namespace|service account) with (k8s:\S+)\.|Write the namespace's label as (\S+)\.|Separate the source of the label with a colon: (\S+)\.)/
      .exec(fix)
      ?.filter((each) => each !== undefined) ?? [];
  return wrong === undefined || right === undefined ? [] : [{ wrong, right }];
}

/** Keys by which people name a namespace in one API, used in the pod selector of another. */
function rightSpelling(key: string, { dialect }: PolicySource): string | undefined {
  const labelled =
    /^(?:k8s\.)?(?:io\.kubernetes\.pod\.namespaces?|io\.cilium\.(?:k8s\.)?(?:policy\.)?namespaces?)\.labels?\.(.+)$/i.exec(
      key,
    );
  const plain =
    /^(?:k8s\.)?(kubernetes\.io\/metadata\.name|io\.kubernetes\.pod\.namespace|io\.kubernetes\.namespace|kubernetes\.io\/namespace|projectcalico\.org\/name)$/i;
  if (dialect === "cilium") {
    // Kubernetes is the source of these; without a source, and with `any`, every source fits
    if (
      /^(?:(?:k8s|any):)?io\.(kubernetes\.pod\.namespace|cilium\.k8s\.(namespace\.labels\..+|policy\.(serviceaccount|cluster)))$/.test(
        key,
      )
    ) {
      return undefined;
    }
    if (labelled !== null)
      return `Write the namespace's label as k8s:io.cilium.k8s.namespace.labels.${String(labelled[1])}.`;
    if (plain.test(key)) return "Name the namespace with k8s:io.kubernetes.pod.namespace.";
    if (/serviceaccount/i.test(key)) return "Name the service account with k8s:io.cilium.k8s.policy.serviceaccount.";
    const dotted = /^(k8s|any|reserved)\.(.+)$/.exec(key);
    return dotted === null
      ? undefined
      : `Separate the source of the label with a colon: ${String(dotted[1])}:${String(dotted[2])}.`;
  }
  if (labelled === null && !plain.test(key)) return undefined;
  if (dialect === "calico") return "Name the namespace with namespaceSelector: projectcalico.org/name == '…'.";
  return "It is a label of namespaces: name the namespace with namespaceSelector and kubernetes.io/metadata.name.";
}

/** `name: kube-system` was never a label that Kubernetes sets. */
function rightNamespaceKey({ key, values }: Test, { dialect }: PolicySource, snapshot: Snapshot): Right | undefined {
  const isName =
    /^(name|namespace|metadata\.name|io\.kubernetes\.pod\.namespace|kubernetes\.io\/(name|namespace))$/.test(key);
  const known = values.some((value) => typeof value === "string" && snapshot.namespaces.has(value));
  const [value] = values;
  const alike = isName ? [] : namespaceKeysWith(value, snapshot).filter((each) => isMisspelling(each, key));
  if (alike.length === 1) {
    return {
      text: "which no namespace has",
      fix: `Use the key ${String(alike[0])}, under which a namespace carries this value.`,
    };
  }
  if (!isName || !(known || values.includes("kube-system"))) return undefined;
  const right =
    dialect === "calico" ? "projectcalico.org/name" : dialect === "cilium" ? ciliumNamespaceLabel : namespaceNameLabel;
  return { text: "which no namespace has", fix: `Name the namespace by ${right}, which every namespace has.` };
}

/** The keys under which namespaces that were read carry a value. */
function namespaceKeysWith(value: unknown, snapshot: Snapshot): string[] {
  const all = [...snapshot.namespaces.values()].flatMap(({ labels }) => Object.entries(labels));
  return [...new Set(all.flatMap(([key, has]) => (has === value ? [key] : [])))];
}

/** The key under which pods carry the wanted value, where the selector fits no pod. */
function otherKey({ key, values }: Test, where: Condition, snapshot: Snapshot): Right | undefined {
  const [value] = values;
  if (values.length !== 1 || typeof value !== "string" || snapshot.workloads.length === 0) return undefined;
  if (anyWorkloadsWhere(where, snapshot).length > 0 || !isAllRead(where, snapshot)) return undefined;
  const candidates = new Set(
    snapshot.workloads
      .filter(({ labelSet }) => labelSet.complete)
      .flatMap(({ labels }) =>
        Object.entries(labels).flatMap(([each, has]) => (each !== key && has === value ? [each] : [])),
      ),
  );
  // a key whose last part is the same or misspelt, or the two usual ones for an application
  const alike = [...candidates].filter(
    (each) => lastPart(each) === lastPart(key) || (isAppKey(each) && isAppKey(key)) || isMisspelling(each, key),
  );
  return alike.length === 1
    ? {
        text: "and no pod that it may mean has this value there",
        fix: `Use the key ${String(alike[0])}, under which pods carry this value.`,
      }
    : undefined;
}

function lastPart(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1).toLowerCase();
}

function isAppKey(key: string): boolean {
  return ["app", "k8s-app", "app.kubernetes.io/name", "app.kubernetes.io/instance"].includes(key);
}

function conditionsOf(peer: PeerTerm): Condition[] {
  if (peer.kind === "pods" || peer.kind === "identities") return [peer.where];
  return peer.kind === "and" || peer.kind === "or" ? peer.of.flatMap(conditionsOf) : [];
}
