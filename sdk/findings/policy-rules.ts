import { namespaceNameLabel } from "../reachability/model/namespace-labels";
import type {
  CompiledPolicy,
  Condition,
  Direction,
  LabelSet,
  LabelValue,
  Lookup,
  ObjectRef,
  Peer,
  PeerTerm,
  PolicyRule,
  PolicySource,
  RuleRef,
  Snapshot,
  Test,
  Tri,
  Workload,
} from "../reachability";
import { describeRef, evaluateCondition as evaluate, labelOf, namespacesIn, unknownValue } from "../reachability";
import type { Subject } from "./types";

/** Help for rules that look at the policies themselves, in the form that the engine reads every dialect into. */

/** A policy object with the compiled parts that come from it (a Cilium policy may have several `specs`). */
export interface PolicyParts {
  readonly origin: PolicySource;
  readonly parts: readonly CompiledPolicy[];
}

const objectsOfSnapshot = new WeakMap<Snapshot, readonly PolicyParts[]>();

/** The policies of a snapshot in a stable order. */
export function policyObjects(snapshot: Snapshot): readonly PolicyParts[] {
  let objects = objectsOfSnapshot.get(snapshot);
  if (objects === undefined) objectsOfSnapshot.set(snapshot, (objects = groupByObject(snapshot.rules.policies)));
  return objects;
}

/** The policies of the service mesh in a stable order. */
export function meshPolicyObjects(snapshot: Snapshot): readonly PolicyParts[] {
  return groupByObject(snapshot.rules.mesh);
}

function groupByObject(compiled: readonly CompiledPolicy[]): PolicyParts[] {
  const byOrigin = new Map<PolicySource, CompiledPolicy[]>();
  for (const part of compiled) {
    byOrigin.set(part.origin, [...(byOrigin.get(part.origin) ?? []), part]);
  }
  return [...byOrigin]
    .map(([origin, parts]) => ({ origin, parts, key: describeRef(origin) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Every rule of a part, in both directions. */
export function rulesOf(part: CompiledPolicy): PolicyRule[] {
  return [...(part.ingress?.rules ?? []), ...(part.egress?.rules ?? [])];
}

/** Rules that were understood. Of what was not, nobody knows what it says, and `not-understood` names it. */
export function understoodRulesOf(part: CompiledPolicy): PolicyRule[] {
  return rulesOf(part).filter((rule) => rule.peers.length === 0 || rule.peers.some((peer) => !isUncertain(peer)));
}

function isUncertain(peer: PeerTerm): boolean {
  return peer.kind === "uncertain" || (peer.kind === "and" && peer.of.some(isUncertain));
}

export function policySubject(origin: PolicySource): Subject {
  const { kind, namespace, name, source } = origin;
  return {
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(source === undefined ? {} : { source }),
  };
}

/** Every test inside a condition. */
export function testsIn(condition: Condition): Test[] {
  switch (condition.op) {
    case "test":
      return [condition];
    case "not":
      return testsIn(condition.of);
    case "and":
    case "or":
      return condition.of.flatMap(testsIn);
    case "constant":
      return [];
  }
}

/**
 * Whether all that a part allows (or passes on) it allows to pods of namespaces that it names (or to the API server). Such a part opens
 * nothing to addresses, nodes or pods of namespaces that nobody named, whatever is beside it. False says nothing.
 */
export function namesItsPeers(part: CompiledPolicy): boolean {
  return nameTheirPeers(rulesOf(part));
}

/** The same of some rules. */
export function nameTheirPeers(rules: readonly PolicyRule[]): boolean {
  return rules.every((rule) => rule.verdict === "deny" || rule.peers.every(isNamed));
}

function isNamed(peer: PeerTerm): boolean {
  if (peer.kind === "entity") return peer.entity === "kube-apiserver" || peer.entity === "none";
  return (peer.kind === "pods" || peer.kind === "identities") && namespacesIn(peer.where) !== undefined;
}

/** Whether a policy is for what is no pod of the cluster: Cilium's health and ingress endpoints, nodes. */
export function isForReserved(part: CompiledPolicy): boolean {
  return part.subject.kind === "nodes" || testsIn(part.subject.where).some((test) => test.field === "reserved");
}

const workloadsOfSnapshot = new WeakMap<Snapshot, ReadonlyMap<string, readonly Workload[]>>();

function workloadsByNamespace(snapshot: Snapshot): ReadonlyMap<string, readonly Workload[]> {
  const known = workloadsOfSnapshot.get(snapshot);
  if (known !== undefined) return known;
  const result = new Map<string, Workload[]>();
  for (const workload of snapshot.workloads) {
    const list = result.get(workload.namespace);
    if (list === undefined) result.set(workload.namespace, [workload]);
    else list.push(workload);
  }
  workloadsOfSnapshot.set(snapshot, result);
  return result;
}

/** The workloads for which a condition holds for certain; looked up by namespace where the condition names one. */
function workloadsWhere(where: Condition, snapshot: Snapshot): Workload[] {
  return anyWorkloadsWhere(where, snapshot).filter((workload) => !workload.hostNetwork);
}

const foundInSnapshot = new WeakMap<Snapshot, WeakMap<Condition, Workload[]>>();

/** The same with workloads on the host network, which no selector of a policy ever finds. Remembered. */
export function anyWorkloadsWhere(where: Condition, snapshot: Snapshot): readonly Workload[] {
  let remembered = foundInSnapshot.get(snapshot);
  if (remembered === undefined) foundInSnapshot.set(snapshot, (remembered = new WeakMap()));
  let found = remembered.get(where);
  if (found === undefined) remembered.set(where, (found = searchWorkloads(where, snapshot)));
  return found;
}

function searchWorkloads(where: Condition, snapshot: Snapshot): Workload[] {
  const names = namespacesIn(where);
  const candidates =
    names === undefined ? snapshot.workloads : names.flatMap((name) => workloadsByNamespace(snapshot).get(name) ?? []);
  return candidates.filter((workload) => evaluate(where, lookupOf(selectable(workload), snapshot)) === 2);
}

/** The workloads that a part selects for certain. */
export function workloadsSelectedBy(part: CompiledPolicy, snapshot: Snapshot): Workload[] {
  return part.subject.kind === "pods" ? workloadsWhere(part.subject.where, snapshot) : [];
}

/** The workloads that a rule names by labels for certain; peers of other kinds name no workload. */
export function workloadsNamedBy(rule: PolicyRule, snapshot: Snapshot): Workload[] {
  const named = rule.peers.flatMap((peer) =>
    peer.kind === "pods" || peer.kind === "identities" ? workloadsWhere(peer.where, snapshot) : [],
  );
  return [...new Set(named)];
}

/** What selectors can see of a pod, one that runs or one that might be started. */
interface Selectable {
  readonly namespace: LabelValue;
  readonly labels: LabelSet;
  readonly serviceAccount: LabelValue;
  readonly hostNetwork: boolean;
}

/** Whether a condition fits a pod that might be started, for certain. */
export function wouldFit(where: Condition, pod: Peer, snapshot: Snapshot): boolean {
  const who = selectablePeer(pod, snapshot);
  return who !== undefined && evaluate(where, lookupOf(who, snapshot)) === 2;
}

/** Whether a part selects a workload. */
export function selectsWorkload(part: CompiledPolicy, workload: Workload, snapshot: Snapshot): Tri {
  return selects(part, selectable(workload), snapshot);
}

/** Whether a part selects a pod for certain: one that runs, or one that might be started. */
export function selectsPod(part: CompiledPolicy, pod: Peer, snapshot: Snapshot): boolean {
  const who = selectablePeer(pod, snapshot);
  return who !== undefined && selects(part, who, snapshot) === 2;
}

/** The policies that close a pod by default in a direction, whatever other rules open again; sorted. */
export function isolators(snapshot: Snapshot, pod: Peer, direction: Direction): ObjectRef[] {
  const who = selectablePeer(pod, snapshot);
  if (who === undefined || snapshot.profile.enforcementMode === "never" || snapshot.profile.auditMode) return [];
  return candidatesFor(who, snapshot)
    .filter(({ parts }) => parts.some((part) => closes(part, direction, who, snapshot)))
    .map(({ origin }) => origin);
}

/** Whether some policy isolates a pod in a direction. Cheaper than {@link isolators}. */
export function isClosedByDefault(snapshot: Snapshot, pod: Peer, direction: Direction): boolean {
  const who = selectablePeer(pod, snapshot);
  if (who === undefined || snapshot.profile.enforcementMode === "never" || snapshot.profile.auditMode) return false;
  return candidatesFor(who, snapshot).some(({ parts }) => parts.some((part) => closes(part, direction, who, snapshot)));
}

function closes(part: CompiledPolicy, direction: Direction, who: Selectable, snapshot: Snapshot): boolean {
  return part[direction]?.isolates === 2 && selects(part, who, snapshot) === 2;
}

const byHomeInSnapshot = new WeakMap<Snapshot, ReadonlyMap<string, readonly PolicyParts[]>>();

/** The policies that may select a pod: one that lies in a namespace selects pods of that namespace alone. */
function candidatesFor(who: Selectable, snapshot: Snapshot): readonly PolicyParts[] {
  if (typeof who.namespace !== "string") return policyObjects(snapshot);
  let byHome = byHomeInSnapshot.get(snapshot);
  if (byHome === undefined) {
    const homes = new Map<string, PolicyParts[]>([["", []]]);
    const objects = policyObjects(snapshot);
    for (const { origin } of objects) if (origin.namespace !== undefined) homes.set(origin.namespace, []);
    // in the order of the whole list, so that what is found stays sorted
    for (const object of objects) {
      const home = object.origin.namespace;
      for (const list of home === undefined ? homes.values() : [homes.get(home) ?? []]) list.push(object);
    }
    byHomeInSnapshot.set(snapshot, (byHome = homes));
  }
  return byHome.get(who.namespace) ?? byHome.get("") ?? [];
}

/** Whether a rule lets everything pass: every peer, protocol and port. `egress: [{}]` in a NetworkPolicy does. */
export function opensEverything({ verdict, l4, peers }: PolicyRule): boolean {
  return (
    verdict === "allow" &&
    l4.must.isAll() &&
    peers.some((peer) => peer.kind === "any" || (peer.kind === "entity" && peer.entity === "all"))
  );
}

/** The rule that a reference names. */
export function ruleOf(ref: RuleRef, snapshot: Snapshot): PolicyRule | undefined {
  return (policyOf(ref.policy, snapshot)?.parts ?? [])
    .flatMap(rulesOf)
    .find((rule) => rule.path === ref.path && rule.direction === ref.direction && rule.verdict === ref.verdict);
}

const byNameInSnapshot = new WeakMap<Snapshot, ReadonlyMap<string, PolicyParts>>();

/** The policy that a reference names. */
export function policyOf(ref: ObjectRef, snapshot: Snapshot): PolicyParts | undefined {
  let byName = byNameInSnapshot.get(snapshot);
  if (byName === undefined) {
    byName = new Map(policyObjects(snapshot).map((object) => [describeRef(object.origin), object]));
    byNameInSnapshot.set(snapshot, byName);
  }
  return byName.get(describeRef(ref));
}

/** Whether a part is for a new pod of a namespace, one without labels. */
export function selectsNewPods(part: CompiledPolicy, namespace: string, snapshot: Snapshot): boolean {
  const who = selectablePeer({ kind: "freshPod", namespace }, snapshot);
  return who !== undefined && selects(part, who, snapshot) === 2;
}

/** The objects that close a workload by default, by direction. */
export type Isolation = Readonly<Record<Direction, readonly PolicyParts[]>>;

/**
 * Which objects close which workloads by default, for all workloads at once: its cost is the number of selections, not
 * of workloads times policies. Workloads that nothing closes are left out.
 */
export function isolationByWorkload(snapshot: Snapshot): ReadonlyMap<string, Isolation> {
  const result = new Map<string, Record<Direction, PolicyParts[]>>();
  if (snapshot.profile.enforcementMode === "never" || snapshot.profile.auditMode) return result;
  for (const object of policyObjects(snapshot)) {
    for (const part of object.parts) {
      const closes = directions.filter((direction) => part[direction]?.isolates === 2);
      if (closes.length === 0) continue;
      for (const { id } of workloadsSelectedBy(part, snapshot)) {
        const isolation = result.get(id) ?? { ingress: [], egress: [] };
        result.set(id, isolation);
        for (const direction of closes) {
          if (!isolation[direction].includes(object)) isolation[direction].push(object);
        }
      }
    }
  }
  return result;
}

const directions: readonly Direction[] = ["ingress", "egress"];

function selects(part: CompiledPolicy, who: Selectable, snapshot: Snapshot): Tri {
  const candidate = part.subject.kind === "pods" && !who.hostNetwork;
  return candidate ? evaluate(part.subject.where, lookupOf(who, snapshot)) : 0;
}

function selectable(workload: Workload): Selectable {
  return {
    namespace: workload.namespaceUnknown ? unknownValue : workload.namespace,
    labels: workload.labelSet,
    serviceAccount: workload.serviceAccountUnknown ? unknownValue : workload.serviceAccount,
    hostNetwork: workload.hostNetwork,
  };
}

const byIdInSnapshot = new WeakMap<Snapshot, ReadonlyMap<string, Workload>>();

function workloadById(id: string, snapshot: Snapshot): Workload | undefined {
  let byId = byIdInSnapshot.get(snapshot);
  if (byId === undefined) {
    // the first of a name, as in the snapshot's own list
    byId = new Map([...snapshot.workloads].reverse().map((workload) => [workload.id, workload]));
    byIdInSnapshot.set(snapshot, byId);
  }
  return byId.get(id);
}

function selectablePeer(peer: Peer, snapshot: Snapshot): Selectable | undefined {
  if (peer.kind === "workload") {
    const workload = workloadById(peer.id, snapshot);
    return workload === undefined ? undefined : selectable(workload);
  }
  if (peer.kind !== "freshPod") return undefined;
  const { namespace, labels = {}, serviceAccount = "default" } = peer;
  return { namespace, labels: { values: labels, complete: true }, serviceAccount, hostNetwork: false };
}

function lookupOf(who: Selectable, snapshot: Snapshot): Lookup {
  const home = typeof who.namespace === "string" ? who.namespace : undefined;
  const namespace = home === undefined ? undefined : snapshot.namespaces.get(home);
  const namespaceLabels: LabelSet =
    namespace?.labelSet ??
    (home === undefined ? { values: {}, complete: false } : { values: { [namespaceNameLabel]: home }, complete: true });
  const account =
    home === undefined ? undefined : snapshot.serviceAccounts.get(`${home}/${String(who.serviceAccount)}`);
  return (field, key) => {
    switch (field) {
      case "label":
        return labelOf(who.labels, key);
      case "namespaceLabel":
        return labelOf(namespaceLabels, key);
      case "namespace":
        return who.namespace;
      case "serviceAccount":
        return who.serviceAccount;
      case "serviceAccountLabel":
        return account === undefined ? undefined : labelOf(account, key);
      case "cluster":
        return snapshot.profile.clusterName;
      default:
        return undefined;
    }
  };
}
