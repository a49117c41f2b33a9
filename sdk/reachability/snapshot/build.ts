import { namespaceNameLabel } from "../model/namespace-labels";
import { describeRef, type KubeObject, type ObjectRef, type Source, type SourcedObject } from "../model/objects";
import type { Problem } from "../model/problems";
import { inferProfile, isUnmodelled, type EnforcerProfile } from "../model/profile";
import { uncertainDirection, uncertainPolicy, type ReaderContext } from "../readers/common";
import { ObjectReader } from "../readers/fields";
import { withIdentityLabels } from "../readers/identity-labels";
import { isImpossibleName } from "../readers/names";
import { networkSetsOf, selectsHostEndpoint } from "../readers/network-sets";
import { readPeerAuthentications, type PeerAuthentication } from "../readers/peer-authentication";
import { ServiceTable } from "../readers/services";
import { tierTable } from "../readers/tiers";
import type { CompiledPolicy } from "../model/rules";
import { tiers } from "../model/rules";
import { all, always, perhaps } from "../model/selectors/conditions";
import { knownLabels, type LabelSet, type LabelValue } from "../model/selectors/labels";
import { isUnknown, unknownValue } from "../model/unknown";
import { readClusterData, type ClusterData } from "./cluster-data";
import { withoutCopies, type Unique } from "./copies";
import { isClusterwide, isPeerAuthentication, policyKindOf } from "./kinds";
import { readUnread, unreadable, unreadKindOf } from "../readers/unread-policies";
import { redirectsOf } from "./redirects";
import { meshEgressOf } from "../readers/mesh-egress";
import { withMeshConfig } from "../readers/mesh-config";
import { installationOf } from "../readers/mesh-installation";
import { waypointsOf } from "../readers/waypoints";
import { unknownNamespace, type ClusterNode, type Namespace, type Snapshot, type Workload } from "../model/snapshot";
import type { PolicySource } from "../model/policy-source";
import { mayLabelTopology } from "../readers/controller-labels";
import { labelSetOf, podTemplateOf, readWorkload } from "../readers/workloads";

export interface SnapshotOptions {
  /** How policies are enforced. Default: what the objects suggest ({@link inferProfile}). */
  readonly profile?: EnforcerProfile;
  /** Problems that the source of the objects met; they become part of the snapshot's. */
  readonly problems?: readonly Problem[];
}

/** So many places of copies appear in a message. */
const shownPlaces = 3;

/** Reads objects into a snapshot, all but the problems that only a question to the engine finds. */
export function readSnapshot(objects: Iterable<SourcedObject>, options: SnapshotOptions = {}): Snapshot {
  const problems: Problem[] = [...(options.problems ?? [])];
  const flat = flatten(objects, problems);
  const profile = withMeshConfig(options.profile ?? inferProfile(flat), flat);
  return new Builder(withoutCopies(flat), profile, problems).build();
}

/** Unpacks lists of objects, and drops what is no object at all (as a problem). */
function flatten(objects: Iterable<SourcedObject>, problems: Problem[]): SourcedObject[] {
  const result: SourcedObject[] = [];
  const add = (object: unknown, sourced: SourcedObject): void => {
    const { source } = sourced;
    const fields = object as Partial<KubeObject> | null;
    if (
      typeof fields !== "object" ||
      fields === null ||
      typeof fields.kind !== "string" ||
      typeof fields.apiVersion !== "string"
    ) {
      problems.push({
        code: "unreadable",
        message: "not a Kubernetes object: apiVersion and kind must be strings",
        ...(source === undefined ? {} : { source }),
        affectsVerdicts: true,
      });
      return;
    }
    const items = fields["items"];
    if (fields.kind.endsWith("List") && Array.isArray(items)) {
      for (const item of items as unknown[]) add(withTypeOfList(item, fields as KubeObject), sourced);
      return;
    }
    result.push({ ...sourced, object: fields as KubeObject });
  };
  for (const each of objects) add(each.object, each);
  return result;
}

/** Items of a typed list (`PodList`) may leave out their own type. */
function withTypeOfList(item: unknown, list: KubeObject): unknown {
  if (list.kind === "List" || typeof item !== "object" || item === null) return item;
  const fields = item as Partial<KubeObject>;
  if (typeof fields.kind === "string" && typeof fields.apiVersion === "string") return item;
  return {
    ...item,
    apiVersion: fields.apiVersion ?? list.apiVersion,
    kind: fields.kind ?? list.kind.slice(0, -"List".length),
  };
}

class Builder {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #workloads = new Map<string, Workload>();
  readonly #policies: PolicySource[] = [];
  readonly #compiled: CompiledPolicy[] = [];
  readonly #mesh: CompiledPolicy[] = [];
  readonly #authentications: PeerAuthentication[] = [];
  readonly #nodes: ClusterNode[] = [];
  readonly #others: SourcedObject[] = [];
  readonly #serviceAccounts = new Map<string, LabelSet>();
  /** Whether pods may get their node's topology labels. */
  #topology = true;

  constructor(
    private readonly objects: readonly Unique[],
    private readonly profile: EnforcerProfile,
    private readonly problems: Problem[],
  ) {}

  build(): Snapshot {
    const data = readClusterData(this.objects);
    const context = this.#contextFrom(data);
    this.#reportUnmodelled();
    this.#topology = mayLabelTopology(kubeletVersionsIn(this.objects));
    for (const each of this.objects) this.#addObject(each, context);
    this.#mesh.push(...readPeerAuthentications(this.#authentications, context));
    this.#nameVariants();
    this.#implyNamespaces();
    const families = this.#families(data);
    return {
      ...(families === undefined ? {} : { families }),
      namespaces: this.#namespaces,
      workloads: [...this.#workloads.values()],
      policies: this.#policies,
      nodes: this.#nodes,
      others: this.#others,
      profile: this.profile,
      problems: this.problems,
      rules: this.#rules(context, data),
      waypoints: context.waypoints,
      installation: installationOf(this.objects),
      serviceAccounts: this.#serviceAccounts,
      podAddresses: data.podAddresses,
      ...(data.serviceAddresses === undefined ? {} : { serviceAddresses: data.serviceAddresses }),
      apiServerAddresses: data.apiServerAddresses,
      services: data.services,
      redirects: redirectsOf(this.objects, this.profile),
      clusterDomains: data.clusterDomains,
    };
  }

  /** What policies refer to, and readers look up. */
  #contextFrom({ services, cidrGroups }: ClusterData): ReaderContext {
    return {
      profile: this.profile,
      services: new ServiceTable(services),
      cidrGroups,
      tiers: tierTable(this.profile, this.objects),
      networkSets: networkSetsOf(this.objects),
      selectsHostEndpoint: (where) => selectsHostEndpoint(this.objects, where),
      waypoints: waypointsOf(this.objects),
      waypointHosts: [],
    };
  }

  #reportUnmodelled(): void {
    if (!isUnmodelled(this.profile)) return;
    const { title, version = "", oldestModelled = "" } = this.profile;
    this.problems.push({
      code: "unsupported",
      message: `${title} ${version} is not modelled, ${oldestModelled} is the oldest version that is: what its policies do is not known`,
      affectsVerdicts: true,
    });
  }

  #rules({ waypointHosts }: ReaderContext, { services }: ClusterData): Snapshot["rules"] {
    const meshEgress = meshEgressOf(
      this.objects,
      services,
      [...this.#namespaces.keys()],
      this.profile.meshRootNamespace,
      (problem) => this.problems.push(problem),
    );
    return {
      policies: this.#compiled,
      mesh: this.#mesh.filter(({ tier }) => tier.id !== tiers.waypoint.id),
      waypoint: this.#mesh.filter(({ tier }) => tier.id === tiers.waypoint.id),
      waypointHosts,
      ...(meshEgress.length === 0 ? {} : { meshEgress }),
    };
  }

  /** The families of all addresses that are known. */
  #families({ services }: ClusterData): Snapshot["families"] {
    return familiesOf([
      ...this.#nodes.flatMap(({ addresses, podCidrs }) => [...addresses, ...podCidrs]),
      ...[...this.#workloads.values()].flatMap(({ addresses }) => addresses),
      ...services.flatMap(({ clusterIps }) => clusterIps),
    ]);
  }

  /** What is not known in an object that a patch changes has one cause, the patch. */
  #nameVariants(): void {
    const patched = new Map<string, Unique>();
    for (const each of this.objects) {
      if (each.patchedBy !== undefined && each.source !== undefined) patched.set(JSON.stringify(each.source), each);
    }
    if (patched.size === 0) return;
    const said = new Set<string>();
    const kept = this.problems.flatMap((problem): Problem[] => {
      const key = JSON.stringify(problem.source ?? {});
      const patchedBy = problem.code === "unknown-value" ? patched.get(key)?.patchedBy : undefined;
      if (patchedBy === undefined) return [problem];
      if (said.has(key)) return [];
      said.add(key);
      const { path: _path, ...rest } = problem;
      const message = `changed by a patch of a kustomization (${patchedBy.join(", ")})`;
      return [{ ...rest, code: "variants", message, variants: patchedBy.map((file) => ({ file })) }];
    });
    this.problems.splice(0, this.problems.length, ...kept);
  }

  #addObject(sourced: Unique, context: ReaderContext): void {
    const { object, source } = sourced;
    const metadata = (object.metadata ?? {}) as Readonly<Record<string, unknown>>;
    const namespace = namespaceOf(metadata);
    const isNamed = typeof metadata["name"] === "string" && !isUnknown(metadata["name"]);
    const called = isNamed ? String(metadata["name"]) : nameStandIn(metadata);
    const name = isNamed && !isUnknown(namespace) ? called : this.#standInFor(object, called, namespace);
    const ref = this.#refOf(object, name, namespace);
    const reader = new ObjectReader(ref, source, this.problems);
    if (Array.isArray(object.metadata) || typeof metadata !== "object") {
      reader.report("invalid-value", "metadata must be a map", "metadata", true);
    }
    const kind = policyKindOf(object.apiVersion, object.kind);
    if (kind !== undefined) {
      const origin: PolicySource = {
        ...ref,
        dialect: kind.dialect,
        object,
        ...(source === undefined ? {} : { source }),
      };
      this.#policies.push(origin);
      reportImpossibleName(name, reader);
      const isOneOfSeveral = this.#reportCopies(sourced, reader, true);
      const ignored = kind.ignoredBy(this.profile);
      if (ignored === undefined) {
        const policies = kind
          .read(origin, namespace, reader, context)
          .map((policy) => (kind.mesh === true ? policy : withIdentityLabels(policy, this.profile, reader)));
        const book = kind.mesh === true ? this.#mesh : this.#compiled;
        const enforced = kind.mesh !== true && isUnmodelled(this.profile) ? policies.map(withDoubt) : policies;
        book.push(
          ...(reader.invalid || isOneOfSeveral || sourced.perhaps === true ? enforced.map(perhapsInForce) : enforced),
        );
      } else reader.notEnforced(ignored, undefined);
      return;
    }
    if (isPeerAuthentication(object.apiVersion, object.kind)) {
      const origin: PolicySource = { ...ref, dialect: "istio", object, ...(source === undefined ? {} : { source }) };
      this.#policies.push(origin);
      reportImpossibleName(name, reader);
      this.#reportCopies(sourced, reader, true);
      this.#authentications.push({ origin, namespace, reader });
      return;
    }
    if (object.kind === "HostEndpoint" && /projectcalico\.org\//.test(object.apiVersion)) {
      return this.#addHostEndpoint(sourced, ref, reader);
    }
    const unread = unreadKindOf(object.apiVersion, object.kind);
    if (unread !== undefined) return this.#addUnread(unread, sourced, ref, namespace, reader);
    if (object.kind === "Namespace" && object.apiVersion === "v1") return this.#addNamespace(sourced, name, reader);
    if (object.kind === "Node" && object.apiVersion === "v1") this.#nodes.push(nodeOf(object, name, source));
    if (object.kind === "ServiceAccount" && object.apiVersion === "v1" && !isUnknown(namespace)) {
      this.#serviceAccounts.set(`${namespace}/${name}`, labelSetOf(object.metadata?.labels));
    }
    if (podTemplateOf(object) !== undefined) return this.#addWorkload(sourced, namespace, name, reader);
    this.#others.push(sourced);
  }

  #addHostEndpoint({ object, source }: SourcedObject, ref: ObjectRef, reader: ObjectReader): void {
    const message = "host endpoints are not modelled: what they let in and out of nodes is not known";
    reader.report("unsupported", message, undefined, true);
    const origin: PolicySource = { ...ref, dialect: "calico", object, ...(source === undefined ? {} : { source }) };
    const uncertain = uncertainPolicy(origin, always, tiers.unread, true);
    this.#compiled.push({ ...uncertain, subject: { kind: "nodes", where: perhaps } });
  }

  #addUnread(
    kind: NonNullable<ReturnType<typeof unreadKindOf>>,
    { object, source }: SourcedObject,
    ref: ObjectRef,
    namespace: LabelValue,
    reader: ObjectReader,
  ): void {
    const origin: PolicySource = { ...ref, dialect: "other", object, ...(source === undefined ? {} : { source }) };
    const policies = readUnread(kind, origin, namespace);
    if (policies.length === 0) return void this.#others.push({ object, ...(source === undefined ? {} : { source }) });
    this.#policies.push(origin);
    this.#compiled.push(...policies);
    // who could not read the document has said so
    if (object.apiVersion === unreadable.apiVersion) return;
    reader.report(
      "unsupported",
      `${object.apiVersion} ${object.kind} is a policy that this version does not read: what it does to the pods that it may select is not known`,
      undefined,
      true,
    );
  }

  /**
   * What a workload is called whose name or namespace is not known: each is one, also where several share a generateName, or
   * a name in namespaces that may be different ones.
   */
  #standInFor(object: KubeObject, name: string, namespace: LabelValue): string {
    if (podTemplateOf(object) === undefined) return name;
    const key = `${object.kind} ${isUnknown(namespace) ? unknownNamespace : namespace}/${name}`;
    const count = (this.#unnamed.get(key) ?? 0) + 1;
    this.#unnamed.set(key, count);
    return count === 1 ? name : `${name} (${count})`;
  }

  readonly #unnamed = new Map<string, number>();

  #refOf(object: KubeObject, name: string, namespace: LabelValue): ObjectRef {
    const place = isUnknown(namespace) ? unknownNamespace : namespace;
    const clusterwide = isClusterwide(object.apiVersion, object.kind);
    return { apiVersion: object.apiVersion, kind: object.kind, name, ...(clusterwide ? {} : { namespace: place }) };
  }

  /** Says of an object where its copies are that differ; they are a problem where that may change a verdict. */
  #reportCopies({ copies, areVariants }: Unique, reader: ObjectReader, matters: boolean): boolean {
    if (copies === undefined) return false;
    const key = describeRef(reader.ref);
    if (matters && !this.#copied.has(key)) {
      this.#copied.add(key);
      const places = [...new Set(copies.map(placeOf).filter((place) => place !== ""))];
      const more = places.length > shownPlaces ? ` and ${places.length - shownPlaces} more` : "";
      const where = places.length === 0 ? "" : ` (${places.slice(0, shownPlaces).join(", ")}${more})`;
      if (areVariants === true) {
        this.#addVariants(
          reader,
          `is in several overlays that differ${where}: which one is applied is not known`,
          copies,
        );
        return true;
      }
      reader.report(
        "duplicate",
        `appears more than once, and the copies differ${where}; which one is in force is not known`,
        undefined,
        true,
      );
    }
    return true;
  }

  readonly #copied = new Set<string>();

  #addVariants({ ref, source }: ObjectReader, message: string, variants: readonly Source[]): void {
    const place = source === undefined ? {} : { source };
    this.problems.push({ code: "variants", message, object: ref, ...place, affectsVerdicts: true, variants });
  }

  #addNamespace(sourced: Unique, name: string, reader: ObjectReader): void {
    const { object, source } = sourced;
    const read = labelSetOf(object.metadata?.labels);
    const labelSet: LabelSet = { ...read, values: { ...read.values, [namespaceNameLabel]: name } };
    const isOpen = !read.complete || Object.values(read.values).some(isUnknown);
    if (!this.#reportCopies(sourced, reader, isOpen) && isOpen) {
      reader.report("unknown-value", "some labels of the namespace are not known", "metadata.labels", true);
    }
    this.#namespaces.set(name, {
      name,
      labels: knownLabels(labelSet),
      labelSet,
      annotations: knownLabels(labelSetOf(object.metadata?.annotations)),
      implied: false,
      ...(source === undefined ? {} : { source }),
    });
  }

  #addWorkload(sourced: Unique, namespace: LabelValue, name: string, reader: ObjectReader): void {
    const { object, source } = sourced;
    const place = isUnknown(namespace) ? unknownNamespace : namespace;
    const read = readWorkload(object, place, isUnknown(namespace), name, source, this.#topology);
    if (read === undefined) return;
    const areCopies = this.#reportCopies(sourced, reader, read.doubts.length > 0);
    for (const doubt of areCopies ? [] : read.doubts) {
      reader.report(doubt.unknown ? "unknown-value" : "invalid-value", doubt.message, doubt.path, true);
    }
    const { workload } = read;
    if (this.#workloads.has(workload.id)) {
      reader.report("duplicate", "appears more than once; the last one is taken", undefined, true);
    }
    this.#workloads.set(workload.id, workload);
  }

  /** Namespaces that something lies in, without an object of their own. Their labels may be more than their name. */
  #implyNamespaces(): void {
    const names = new Set<string>();
    for (const workload of this.#workloads.values()) names.add(workload.namespace);
    for (const policy of this.#policies) if (policy.namespace !== undefined) names.add(policy.namespace);
    for (const name of names) {
      if (this.#namespaces.has(name)) continue;
      const unknown = name === unknownNamespace;
      const labels: Record<string, string> = unknown ? {} : { [namespaceNameLabel]: name };
      this.#namespaces.set(name, {
        name,
        labels,
        labelSet: { values: labels, complete: !unknown },
        annotations: {},
        implied: true,
      });
    }
  }
}

function placeOf({ file, line, urn, cluster }: Source): string {
  if (file === undefined) return urn ?? cluster ?? "";
  return line === undefined ? file : `${file}:${line}`;
}

/** A policy of which an enforcer makes something that nobody here knows: it may be more, less or other than it says. */
function withDoubt(policy: CompiledPolicy): CompiledPolicy {
  const doubted = (direction: "ingress" | "egress"): Pick<CompiledPolicy, typeof direction> => {
    const rules = policy[direction];
    if (rules === undefined) return {};
    const { rules: uncertain } = uncertainDirection(direction, rules.rules[0]?.path ?? "spec", true);
    return { [direction]: { ...rules, rules: [...uncertain, ...rules.rules] } };
  };
  return perhapsInForce({ ...policy, ...doubted("ingress"), ...doubted("egress") });
}

/** A policy with an invalid value is refused as a whole, or enforced in part: whether it selects anybody is not known. */
function perhapsInForce(policy: CompiledPolicy): CompiledPolicy {
  return { ...policy, subject: { ...policy.subject, where: all(policy.subject.where, perhaps) } };
}

/** Nothing that is applied has such a name: what the policy says is judged as if it had another. */
function reportImpossibleName(name: string, reader: ObjectReader): void {
  if (!isImpossibleName(name)) return;
  const message = `the API server refuses the name ${JSON.stringify(name)}: lower-case letters, digits, hyphens and dots only; judged as if it had another`;
  reader.report("invalid-value", message, "metadata.name", false);
}

function nameStandIn(metadata: Readonly<Record<string, unknown>>): string {
  const generated = metadata["generateName"];
  return typeof generated === "string" && !isUnknown(generated) ? `${generated}…` : "(unknown)";
}

/** The namespace of an object; `default` where none is written, as `kubectl apply` does it. */
function namespaceOf(metadata: Readonly<Record<string, unknown>>): LabelValue {
  const namespace = metadata["namespace"];
  if (namespace === undefined || namespace === null || namespace === "") return "default";
  return typeof namespace === "string" && !isUnknown(namespace) ? namespace : unknownValue;
}

/** The families of addresses and ranges. */
function familiesOf(texts: readonly string[]): Snapshot["families"] {
  const v6 = texts.some((text) => text.includes(":"));
  const v4 = texts.some((text) => text.includes(".") && !text.includes(":"));
  return v4 && v6 ? "46" : v4 ? "4" : v6 ? "6" : undefined;
}

function kubeletVersionsIn(objects: readonly SourcedObject[]): string[] {
  return objects.flatMap(({ object }) => {
    if (object.kind !== "Node" || object.apiVersion !== "v1") return [];
    const { nodeInfo } = (object["status"] ?? {}) as { nodeInfo?: { kubeletVersion?: unknown } | null };
    return typeof nodeInfo?.kubeletVersion === "string" ? [nodeInfo.kubeletVersion] : [];
  });
}

function nodeOf(object: KubeObject, name: string, source: Source | undefined): ClusterNode {
  const status = (object["status"] ?? {}) as { addresses?: unknown };
  const spec = (object.spec ?? {}) as { podCIDR?: unknown; podCIDRs?: unknown };
  const addresses = Array.isArray(status.addresses) ? (status.addresses as unknown[]) : [];
  const given = (...types: readonly string[]): string[] =>
    addresses
      .map((entry) => entry as { type?: unknown; address?: unknown } | null)
      .filter((entry) => typeof entry?.type === "string" && types.includes(entry.type))
      .map((entry) => entry?.address)
      .filter((address): address is string => typeof address === "string");
  const cidrs = [spec.podCIDR, ...(Array.isArray(spec.podCIDRs) ? (spec.podCIDRs as unknown[]) : [])];
  return {
    name,
    labels: knownLabels(labelSetOf(object.metadata?.labels)),
    addresses: given("InternalIP", "ExternalIP"),
    hostNames: given("Hostname", "InternalDNS", "ExternalDNS"),
    podCidrs: [...new Set(cidrs.filter((cidr): cidr is string => typeof cidr === "string"))],
    ...(source === undefined ? {} : { source }),
  };
}
