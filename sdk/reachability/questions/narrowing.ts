/** What a policy lets through that it did not, and who loses its protection, when it is changed in place. */
import { Engine } from "../engine/engine";
import type { Direction } from "../model/direction";
import { metadataEndpoints } from "../model/metadata-endpoints";
import type { KubeObject, SourcedObject } from "../model/objects";
import { conditionsOf, plainTerms } from "../model/peer-terms";
import { inferProfile, profileFor } from "../model/profile";
import type { EnforcerProfile } from "../model/profile";
import type { CompiledPolicy, PeerTerm, Rule as PolicyRule, Tier } from "../model/rules";
import { tiers } from "../model/rules";
import { evaluate as evaluateCondition, type Condition, type Lookup } from "../model/selectors/conditions";
import { labelOf } from "../model/selectors/labels";
import { formatAddress, type AddressRange } from "../model/sets/addresses";
import type { Snapshot, Workload } from "../model/snapshot";
import { YES, unknownValue } from "../model/unknown";
import type { Peer, Traffic } from "../model/verdicts";
import { readSnapshot } from "../snapshot/build";
import { isPolicy } from "../snapshot/kinds";
import type { ImaginedPod } from "./imagined-pods";
import { imaginePods } from "./imagined-pods";
import { namesOf } from "./named-peers";

/** The workloads of a cluster, where they are known, and which namespaces are nobody else's. */
export interface Neighbourhood {
  /** Namespaces of the declaration: what happens there is the owners' own decision. */
  readonly own: ReadonlySet<string>;
  /**
   * What is in the cluster. Undefined where it is not known: then every kind of pod that the policies tell apart may be.
   */
  readonly objects?: readonly SourcedObject[];
}

/**
 * Who is protected by a clusterwide default deny as it stands and would not be after a change in place: pods that can then
 * be reached, or reach something, in a way that the policy alone has denied, and all of them where the policy is asked
 * after others that it came before. Each direction is judged by itself, because another policy may well open the other
 * side. Judged by the policies' normalized rules, not by the fields that changed, so that it is right for every policy API.
 *
 * @returns `namespace/name[Kind]`, or `any pod in …` where the cluster is not known; sorted. Empty where nobody loses
 *   anything, or where the policy in place was not clusterwide. What cannot be told counts as lost.
 */
export function lostProtection(
  standing: KubeObject,
  changed: KubeObject,
  { own, objects }: Neighbourhood,
): readonly string[] {
  const [before, after] = [readAmong(standing, objects ?? []), readAmong(changed, objects ?? [])];
  const judge = new Comparison(before, after);
  const [stranger] = imaginePods([]) ?? [];
  if (stranger === undefined || !judge.isHeld(stranger.lookup)) return [];

  if (objects !== undefined) {
    const loses = (workload: Workload): boolean =>
      !workload.hostNetwork && !own.has(workload.namespace) && judge.loses(lookupOf(workload, before));
    return before.workloads
      .filter(loses)
      .map(({ id }) => id)
      .sort();
  }
  const pods = imaginePods(judge.subjectConditions);
  if (pods === undefined) return ["any pod: the policies tell more kinds of pods apart than can be gone through"];
  const lost: ImaginedPod[] = [];
  for (const pod of pods) {
    // who has a trait more than somebody who is named already need not be named
    const isNamed = lost.some(({ traits }) => traits.every((trait) => pod.traits.includes(trait)));
    if (!isNamed && !own.has(pod.namespace) && judge.loses(pod.lookup)) lost.push(pod);
  }
  return lost.map(({ name }) => name).sort();
}

/** How a policy differs in effect from what it is meant to be. */
export interface EffectChange {
  /** What it lets through besides: `any pod in shop: ingress from any address, All Connections`; at most five. */
  readonly opens: readonly string[];
  /** What it no longer lets through, likewise. */
  readonly closes: readonly string[];
  /** The policies tell more pods apart than can be gone through, or a value that they compare is not known. */
  readonly isUndecided: boolean;
}

/** So many examples of what a change opens are told. */
const mostExamples = 5;

/**
 * What a policy of the network lets through as it stands, against what it is meant to let through: for every kind of pod
 * that the two tell apart, both directions, every end that they speak of and one that they do not. By effect: rules in
 * another order, split, repeated or with the server's defaults are no change.
 */
export function effectOfChange(meant: KubeObject, standing: KubeObject): EffectChange {
  const changes = enforcersOf(meant).flatMap((profile) =>
    companies.map((among) => effectUnder(profile, meant, standing, among)),
  );
  const some = (side: (change: EffectChange) => readonly string[]): readonly string[] =>
    [...new Set(changes.flatMap(side))].slice(0, mostExamples);
  return {
    opens: some(({ opens }) => opens),
    closes: some(({ closes }) => closes),
    isUndecided: changes.some(({ isUndecided }) => isUndecided),
  };
}

/**
 * Which other policies there are. Alone, a policy that only allows lets everything through anyhow; beside a default deny,
 * a policy that isolates changes nothing by that.
 */
type Company = "alone" | "beside a default deny";
const companies: readonly Company[] = ["alone", "beside a default deny"];

/**
 * Who may enforce a policy. A NetworkPolicy does not tell: Cilium also honours rules of a direction that its `policyTypes`
 * leave out, others do not.
 */
function enforcersOf(policy: KubeObject): readonly EnforcerProfile[] {
  const inferred = inferProfile([{ object: policy, source: {} }]);
  const isStandard = policy.apiVersion === "networking.k8s.io/v1";
  return isStandard && !inferred.rulesBeyondPolicyTypes ? [inferred, profileFor("cilium")] : [inferred];
}

function effectUnder(profile: EnforcerProfile, meant: KubeObject, standing: KubeObject, among: Company): EffectChange {
  const judge = new Comparison(readAmong(meant, [], profile), readAmong(standing, [], profile), among);
  const pods = distinct(judge.subjectConditions);
  if (pods === undefined || !judge.isDecidable) return { opens: [], closes: [], isUndecided: true };
  const opens = new Set<string>();
  const closes = new Set<string>();
  // who has a trait more than somebody who is named already need not be named
  const sorted = [...pods].sort((a, b) => a.traits.length - b.traits.length);
  for (const pod of sorted) {
    for (const { direction, end, before, after } of judge.changes(pod.lookup)) {
      const side = direction === "ingress" ? "from" : "to";
      const say = (more: Traffic, less: Traffic): string =>
        `${pod.name}: ${direction} ${side} ${end}, ${more.possible.subtract(less.allowed).toString()}`;
      if (isMore(after, before)) opens.add(say(after, before));
      if (isMore(before, after)) closes.add(say(before, after));
    }
    if (opens.size >= mostExamples) break;
  }
  return { opens: [...opens], closes: [...closes], isUndecided: false };
}

/** A policy alone in the cluster. */
function readAmong(policy: KubeObject, objects: readonly SourcedObject[], enforcer?: EnforcerProfile): Snapshot {
  const source: SourcedObject = { object: policy, source: {} };
  const rest = objects.filter(({ object }) => !isPolicy(object.apiVersion, object.kind));
  // who may look names up is the business of other policies
  const profile = { ...(enforcer ?? inferProfile([source])), namesNeedDnsRule: false };
  return readSnapshot([...rest, source], { profile });
}

function lookupOf({ namespace, labelSet, serviceAccount }: Workload, snapshot: Snapshot): Lookup {
  const home = snapshot.namespaces.get(namespace)?.labelSet;
  const account = snapshot.serviceAccounts.get(`${namespace}/${serviceAccount}`);
  return (field, key) => {
    switch (field) {
      case "label":
        return labelOf(labelSet, key);
      case "namespaceLabel":
        return home === undefined ? unknownValue : labelOf(home, key);
      case "namespace":
        return namespace;
      case "serviceAccount":
        return serviceAccount;
      case "serviceAccountLabel":
        return account === undefined ? undefined : labelOf(account, key);
      case "cluster":
        return snapshot.profile.clusterName;
      default:
        return undefined;
    }
  };
}

const directions = ["ingress", "egress"] as const;

/** Stands for source and destination: what a policy says about either is settled before the engine is asked. */
const somePod: Peer = { kind: "freshPod", namespace: "some-namespace" };

/** Compares what a policy does to pods before and after a change. */
class Comparison {
  /** What the two policies look at in the pods that they protect. */
  readonly subjectConditions: readonly Condition[];
  readonly #ends: readonly Peer[];
  /** One pod of each kind that the policies tell apart on the other side; undefined where there are too many. */
  readonly #peers: readonly ImaginedPod[] | undefined;
  readonly #isLater: boolean;
  readonly #answers = new Map<string, boolean>();

  constructor(
    private readonly before: Snapshot,
    private readonly after: Snapshot,
    private readonly among: Company = "alone",
  ) {
    const policies = [before, after].flatMap(policiesOf);
    this.subjectConditions = policies.flatMap((policy) => [
      policy.subject.where,
      ...ownTerms(policy).flatMap(conditionsOf),
    ]);
    const terms = policies.flatMap(peerTerms);
    this.#ends = endsBeyond([...terms, ...policies.flatMap(ownTerms)]);
    this.#peers = distinct(terms.flatMap(conditionsOf));
    this.#isLater = places(after) > places(before);
  }

  /** Whether the policy in place denies a pod something, or may. */
  isHeld(pod: Lookup): boolean {
    return directions.some((direction) =>
      this.#traffic(this.before, direction, pod).some(({ allowed }) => !allowed.isAll()),
    );
  }

  /** Whether something is denied to a pod no longer. */
  loses(pod: Lookup): boolean {
    const kind = kindOf(this.subjectConditions, pod);
    const known = this.#answers.get(kind);
    if (known !== undefined) return known;
    const answer = this.#isLater || this.#peers === undefined ? this.isHeld(pod) : this.#gains(pod);
    this.#answers.set(kind, answer);
    return answer;
  }

  /** Whether every kind of pod on the other side can be gone through. */
  get isDecidable(): boolean {
    return this.#peers !== undefined;
  }

  /** Each end with which something else passes than before. */
  changes(pod: Lookup): readonly EndChange[] {
    const ends = [...this.#ends.map(nameOfEnd), ...(this.#peers ?? []).map(({ name }) => name)];
    return directions.flatMap((direction) => {
      const earlier = this.#traffic(this.before, direction, pod);
      return this.#traffic(this.after, direction, pod).flatMap((after, index): EndChange[] => {
        const before = earlier[index];
        if (before === undefined || (!isMore(after, before) && !isMore(before, after))) return [];
        return [{ direction, end: ends[index] ?? "", before, after }];
      });
    });
  }

  #gains(pod: Lookup): boolean {
    return directions.some((direction) => {
      const earlier = this.#traffic(this.before, direction, pod);
      return this.#traffic(this.after, direction, pod).some((traffic, index) => isMore(traffic, earlier[index]));
    });
  }

  /** What one direction of a policy lets through between a pod and each end, always in the same order. */
  #traffic(snapshot: Snapshot, direction: Direction, pod: Lookup): readonly Traffic[] {
    const ask = (engine: Engine, end: Peer): Traffic => {
      const { must, may } = direction === "ingress" ? engine.traffic(end, somePod) : engine.traffic(somePod, end);
      return { allowed: must, possible: may };
    };
    const world = (peer?: Lookup): Engine =>
      new Engine(inCompany(settled(snapshot, direction, pod, peer), direction, this.among));
    const beyond = world();
    const pods = (this.#peers ?? []).map((peer) => ask(world(peer.lookup), somePod));
    return [...this.#ends.map((end) => ask(beyond, end)), ...pods];
  }
}

/** What passes between a pod and a peer, before and after. */
interface EndChange {
  readonly direction: Direction;
  readonly end: string;
  readonly before: Traffic;
  readonly after: Traffic;
}

function nameOfEnd(end: Peer): string {
  switch (end.kind) {
    case "node":
      return end.where === "local" ? "the pod's own node" : "another node";
    case "kubeApiserver":
      return "the API server";
    case "address":
      return end.address;
    case "fqdn":
      return end.name;
    default:
      return "a pod";
  }
}

/** What a policy says about pods; one for nodes protects none of them. */
function policiesOf({ rules }: Snapshot): readonly CompiledPolicy[] {
  return rules.policies.filter(({ subject }) => subject.kind === "pods");
}

function rulesOf(policy: CompiledPolicy): readonly PolicyRule[] {
  return directions.flatMap((direction) => policy[direction]?.rules ?? []);
}

function peerTerms(policy: CompiledPolicy): readonly PeerTerm[] {
  return rulesOf(policy).flatMap(({ peers }) => peers);
}

/** What rules say about the protected pods themselves, besides the policy's selector (Calico). */
function ownTerms(policy: CompiledPolicy): readonly PeerTerm[] {
  return rulesOf(policy).flatMap(({ own }) => (own === undefined ? [] : [own]));
}

/** How the conditions see a pod: the same text for two pods that are the same to all of them. */
function kindOf(conditions: readonly Condition[], pod: Lookup): string {
  return conditions.map((condition) => evaluateCondition(condition, pod)).join("");
}

function distinct(conditions: readonly Condition[]): readonly ImaginedPod[] | undefined {
  const pods = imaginePods(conditions);
  // the later of two alike has more traits: the earlier is told of
  return pods && [...new Map([...pods].reverse().map((pod) => [kindOf(conditions, pod.lookup), pod])).values()];
}

/** Where a policy comes among others: the later, the more of them decide before it. */
function places(snapshot: Snapshot): number {
  const [first] = policiesOf(snapshot);
  return first === undefined ? Infinity : first.tier.order;
}

/**
 * One direction of a policy as it is for one pod: what it says about the pod, and about the pod on the other side where
 * there is one, is replaced by whether it fits.
 */
function settled(snapshot: Snapshot, direction: Direction, pod: Lookup, peer?: Lookup): Snapshot {
  const settle = (term: PeerTerm, of: Lookup | undefined): PeerTerm => (of === undefined ? term : withValues(term, of));
  const policies = policiesOf(snapshot).map((policy): CompiledPolicy => {
    const { ingress: _, egress: __, ...rest } = policy;
    const rules = policy[direction];
    const subject = { ...policy.subject, where: valueOf(policy.subject.where, pod) };
    if (rules === undefined) return { ...rest, subject };
    const fixed = rules.rules.map((rule) => ({
      ...rule,
      peers: rule.peers.map((term) => settle(term, peer)),
      ...(rule.own === undefined ? {} : { own: settle(rule.own, pod) }),
    }));
    return { ...rest, subject, [direction]: { ...rules, rules: fixed } };
  });
  return { ...snapshot, workloads: [], rules: { policies, mesh: [] } };
}

/** A default deny in the tier where pods are isolated: the policy's own, or that of Kubernetes' own policies. */
function inCompany(snapshot: Snapshot, direction: Direction, among: Company): Snapshot {
  const [first] = snapshot.rules.policies;
  if (among === "alone" || first === undefined) return snapshot;
  const isolatesNothing: readonly Tier[] = [tiers.unread, tiers.admin, tiers.baseline];
  const deny: CompiledPolicy = {
    origin: first.origin,
    tier: isolatesNothing.includes(first.tier) ? tiers.normal : first.tier,
    order: Infinity,
    subject: { kind: "pods", where: { op: "constant", value: YES } },
    [direction]: { isolates: YES, rules: [] },
  };
  return { ...snapshot, rules: { ...snapshot.rules, policies: [...snapshot.rules.policies, deny] } };
}

function withValues(term: PeerTerm, pod: Lookup): PeerTerm {
  switch (term.kind) {
    case "pods":
    case "identities":
      return { ...term, where: valueOf(term.where, pod) };
    case "and":
    case "or":
      return { ...term, of: term.of.map((each) => withValues(each, pod)) };
    case "not":
      return { ...term, of: withValues(term.of, pod) };
    default:
      return term;
  }
}

function valueOf(condition: Condition, pod: Lookup): Condition {
  return { op: "constant", value: evaluateCondition(condition, pod) };
}

/**
 * Who is no pod: nodes, the API server, names and addresses that rules speak of, metadata endpoints, and an address of each
 * family that nobody speaks of. Of a range its first address and the one after its last: between any two of them, taken
 * together, no rule tells addresses apart.
 */
function endsBeyond(terms: readonly PeerTerm[]): readonly Peer[] {
  const ranges = terms.flatMap(rangesOf);
  const edges = ranges.flatMap(({ family, from, to }) => {
    const beyond = to < (family === 4 ? 2n ** 32n : 2n ** 128n) - 1n ? [to + 1n] : [];
    return [from, ...beyond].map((value) => formatAddress({ family, value }));
  });
  const addresses = new Set([...edges, "198.51.100.10", "2001:db8::10", ...metadataEndpoints.map(firstAddress)]);
  const names = new Set(terms.flatMap(namesOf));
  return [
    { kind: "node", where: "local" },
    { kind: "node", where: "remote" },
    { kind: "kubeApiserver" },
    ...[...addresses].map((address): Peer => ({ kind: "address", address })),
    ...[...names].map((name): Peer => ({ kind: "fqdn", name })),
  ];
}

function firstAddress({ address }: { readonly address: string }): string {
  return address.split("/")[0] ?? address;
}

function rangesOf(term: PeerTerm): readonly AddressRange[] {
  const sets = plainTerms(term).flatMap((each) => (each.kind === "cidr" ? [each.set, each.except] : []));
  return sets.flatMap((set) => set?.ranges ?? []);
}

/** Whether more may pass, or more passes for certain. */
function isMore(later: Traffic, earlier: Traffic | undefined): boolean {
  if (earlier === undefined) return true;
  const { allowed, possible } = earlier;
  return !later.allowed.subtract(allowed).isEmpty() || !later.possible.subtract(possible).isEmpty();
}
