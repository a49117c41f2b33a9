/** Scenarios of a declaration: every declared flow as allowed, and of what nobody declared what says most as denied. */
import { probesFor, type Probe, type ProbeEnd } from "../../cluster/verify-probes";
import type { ClusterSecurityDeclaration, Plan, PlannedFlow, PlannedPeer } from "../../plan";
import { describePlannedPeer, imaginedCluster } from "../../plan";
import { holdsAddress } from "../../plan/planned-peers";
import type { KubeObject, Reachability, Snapshot, Verdict } from "../../reachability";
import { buildSnapshot, compile, formatAddress, metadataEndpoints, parseAddress, parseCidr } from "../../reachability";
import type { Expectation, Scenario, ScenarioGroup } from "../../scenarios";
import { parseFlow } from "../ends";

/** What is chosen. */
export interface ScenarioOptions {
  /** Connections that nobody declared, of each workload. "all": each of them, and every known metadata address. */
  readonly sample: number | "all";
  /** Addresses outside the cluster that answer. */
  readonly outside: readonly string[];
}

/** The scenarios of a declaration. */
export interface DerivedScenarios {
  readonly groups: readonly ScenarioGroup[];
  /** Parts of the declaration that have no scenario, and why. */
  readonly left: readonly string[];
  /** The cluster that the declaration describes, one pod for each workload. */
  readonly snapshot: Snapshot;
}

/** Stands for the outside where no address that answers is known: documentation (RFC 5737), never anybody's. */
const nowhere = "203.0.113.10";
/** Stands for the public internet, to which documentation addresses do not belong: example.com's. */
const somewhere = "93.184.215.14";

const metadataAddress = "169.254.169.254";

/** @throws DeclarationError where the declaration is wrong. */
export function scenariosOf(
  declaration: ClusterSecurityDeclaration,
  plan: Plan,
  options: ScenarioOptions,
): DerivedScenarios {
  const { objects, profile } = imaginedCluster(declaration);
  const planned = plan.documents.map(({ object }) => object as unknown as KubeObject);
  const snapshot = buildSnapshot(
    [...objects, ...planned].map((object) => ({ object })),
    { profile },
  );
  return new Derivation(plan, compile(snapshot), options).run();
}

class Derivation {
  private readonly left: string[] = [];
  private readonly taken = new Set<string>();
  private readonly snapshot: Snapshot;

  constructor(
    private readonly plan: Plan,
    private readonly reachability: Reachability,
    private readonly options: ScenarioOptions,
  ) {
    this.snapshot = reachability.snapshot;
  }

  run(): DerivedScenarios {
    const declared = [...this.plan.flows.flatMap((flow) => this.flow(flow)), ...this.metadataAccess()];
    const probes = this.deniedProbes();
    const metadata = probes.filter(({ group }) => group === "metadata");
    const undeclared = probes.filter(({ group }) => group === "undeclared");
    const byKind = new Map<Distance, Scenario[]>();
    for (const probe of this.chosen(undeclared)) {
      const distance = this.distanceOf(probe);
      byKind.set(distance, [...(byKind.get(distance) ?? []), ...this.denied(probe, this.whyDenied(probe, distance))]);
    }
    const groups: ScenarioGroup[] = [
      { title: "what is declared", scenarios: declared },
      { title: "metadata addresses", scenarios: metadata.flatMap((probe) => this.denied(probe, probe.reason)) },
      ...distances.map((title) => ({ title, scenarios: byKind.get(title) ?? [] })),
      { title: "pods that somebody may start", scenarios: this.newPods() },
    ];
    return { groups, left: this.left, snapshot: this.snapshot };
  }

  /** Each pair of ends of a flow, on both edges of each of its ranges of ports. */
  private flow(flow: PlannedFlow): Scenario[] {
    // the register of accesses has it, address by address
    if (flow.to.kind === "metadata") return [];
    const what = `${describePlannedPeer(flow.from)} to ${describePlannedPeer(flow.to)}`;
    const [sources, destinations] = [this.ends(flow.from), this.ends(flow.to)];
    const nameless = [flow.from, flow.to].filter((peer, index) => [sources, destinations][index]?.length === 0);
    if (nameless.length > 0) {
      this.left.push(`${what}: ${nameless.map(describePlannedPeer).join(" and ")} cannot be written as an end`);
      return [];
    }
    const because = `${flow.reason} (${flow.owner})`;
    return sources.flatMap((from) =>
      destinations.flatMap((to) =>
        flow.ports.flatMap(({ protocol, from: first, to: last }) =>
          [...new Set([first, last])].flatMap((port) =>
            from === to ? [] : this.scenario(from, to, `${port}/${protocol}`, "allowed", because),
          ),
        ),
      ),
    );
  }

  private metadataAccess(): Scenario[] {
    return this.plan.metadataAccess.flatMap(({ workload, addresses, ports, reason, owner }) =>
      addresses.flatMap((address) =>
        ports.flatMap(({ from, protocol }) =>
          this.scenario(workload, address, `${from}/${protocol}`, "allowed", `${reason} (${owner})`),
        ),
      ),
    );
  }

  private deniedProbes(): readonly Probe[] {
    const known = metadataEndpoints.filter(({ formOf }) => formOf === undefined).map(({ address }) => address);
    const metadata = this.options.sample === "all" ? known : [metadataAddress];
    const ranges = this.plan.flows.flatMap(({ from, to }) => [from, to]).flatMap((peer) => this.addressOf(peer) ?? []);
    const { probes } = probesFor(this.reachability, this.plan, {
      outside: [...new Set([...metadata, ...this.outside(), ...ranges])],
      present: new Set(this.snapshot.workloads.map(({ id }) => id)),
      sample: "all",
    });
    return probes;
  }

  private outside(): readonly string[] {
    return this.options.outside.length > 0 ? this.options.outside : [nowhere];
  }

  /** A new pod of each namespace that is held: to the outside, to the metadata address, and to a workload beside it. */
  private newPods(): Scenario[] {
    const held = this.plan.namespaces.filter(({ tier }) => tier !== "platform");
    return held.flatMap(({ name }) => {
      const beside = this.snapshot.workloads.find(({ namespace, ports }) => namespace === name && ports.length > 0);
      const port = beside?.ports[0];
      const because = "what nobody declared gets nothing";
      return [
        ...this.scenario(`new@${name}`, metadataAddress, "80/TCP", "denied", "metadata endpoints stay closed"),
        ...this.scenario(`new@${name}`, this.outside()[0] ?? nowhere, "443/TCP", "denied", because),
        ...(beside === undefined || port === undefined
          ? []
          : this.scenario(`new@${name}`, nameOf(beside), `${port.port}/${port.protocol}`, "denied", because)),
      ];
    });
  }

  private denied({ source, destination, protocol, port }: Probe, because: string): Scenario[] {
    return this.scenario(this.endText(source), this.endText(destination), `${port}/${protocol}`, "denied", because);
  }

  /** None where the policies of the declaration itself do something else: that is told, not expected. */
  private scenario(from: string, to: string, port: string, expect: Expectation, because: string): Scenario[] {
    const target = `${to.includes(":") && parseAddress(to) !== undefined ? `[${to}]` : to}:${port}`;
    const flow = parseFlow(from, target, this.snapshot);
    const key = `${from} ${target}`;
    if (this.taken.has(key)) return [];
    this.taken.add(key);
    const computed: Verdict = this.reachability.verdict(flow);
    if (computed !== expect) {
      this.left.push(
        `${from} to ${target}: expected ${expect}, and the policies of the declaration make it ${computed}`,
      );
      return [];
    }
    const workload =
      flow.destination.kind === "workload"
        ? this.snapshot.workloads.find(({ id }) => flow.destination.kind === "workload" && id === flow.destination.id)
        : undefined;
    const isListed =
      workload === undefined ||
      workload.ports.length === 0 ||
      workload.ports.some((each) => each.port === flow.port && each.protocol === flow.protocol);
    const sendable = flow.source.kind === "workload" && this.answers(flow) && flow.protocol !== "SCTP";
    return [
      {
        from,
        to: target,
        expect,
        because,
        ...(sendable ? {} : { packets: false }),
        ...(isListed ? {} : { unlistedPort: true }),
      },
    ];
  }

  /** Whether a packet shows it: a workload, a metadata address that must be closed, an address that is said to answer. */
  private answers({ destination, protocol }: ReturnType<typeof parseFlow>): boolean {
    if (destination.kind === "workload") return true;
    if (destination.kind !== "address" || protocol !== "TCP") return false;
    return destination.address === metadataAddress || this.options.outside.includes(destination.address);
  }

  private endText(end: ProbeEnd): string {
    if (end.kind === "address") return end.address;
    const workload = this.snapshot.workloads.find(({ id }) => id === end.id);
    return workload === undefined ? end.id : nameOf(workload);
  }

  /** How the ends that a peer stands for are written. */
  private ends(peer: PlannedPeer): string[] {
    switch (peer.kind) {
      case "workload":
        return [`${peer.namespace}/${peer.name}`];
      case "namespace":
        return this.snapshot.workloads.filter(({ namespace }) => namespace === peer.namespace).map(nameOf);
      case "cidr":
        return this.addressOf(peer) ?? [];
      case "fqdn":
        return [peer.name.replaceAll(/\*+/g, "any")];
      case "entity":
        if (peer.entity === "kube-apiserver") return ["kube-apiserver"];
        if (peer.entity === "nodes") return ["node"];
        return this.addressOf(peer) ?? [];
      case "metadata":
        return [];
    }
  }

  /** The addresses that are said to answer in a range, else the first one of it that is nobody's metadata. */
  private addressOf(peer: PlannedPeer): string[] | undefined {
    const known = this.options.outside.filter((address) => holdsAddress(peer, address));
    if (known.length > 0) return known;
    if (peer.kind === "entity") return [somewhere].filter((address) => holdsAddress(peer, address));
    if (peer.kind !== "cidr") return undefined;
    const found = candidates(peer.cidr).find((address) => !isMetadata(address) && holdsAddress(peer, address));
    return found === undefined ? undefined : [found];
  }

  private distanceOf({ source, destination }: Probe): Distance {
    if (source.kind === "address" || destination.kind === "address") return "outside the cluster";
    const [from, to] = [this.homeOf(source), this.homeOf(destination)];
    if (from.tenant !== to.tenant) return "other tenants";
    return from.namespace === to.namespace ? "neighbours that nobody declared" : "other namespaces";
  }

  private homeOf({ id }: Extract<ProbeEnd, { kind: "workload" }>): {
    readonly namespace: string;
    readonly tenant?: string;
  } {
    const namespace = id.slice(0, id.indexOf("/"));
    const tenant = this.plan.tenants.find(({ namespaces }) => namespaces.includes(namespace))?.name;
    return { namespace, ...(tenant === undefined ? {} : { tenant }) };
  }

  private whyDenied({ source, destination }: Probe, distance: Distance): string {
    if (source.kind === "address" && this.isExplicit(destination)) return "nothing outside may reach it (denyExternal)";
    return distance === "other tenants" ? "tenants are apart" : "nobody declared it";
  }

  private isExplicit(end: ProbeEnd): boolean {
    const text = this.endText(end);
    return this.plan.workloads.some(
      ({ namespace, name, denyExternal }) => denyExternal && `${namespace}/${name}` === text,
    );
  }

  /**
   * Of what nobody declared, so many of each workload: of every distance in turn, and always the explicit denies.
   */
  private chosen(probes: readonly Probe[]): readonly Probe[] {
    const { sample } = this.options;
    if (sample === "all") return probes;
    const explicit = probes.filter(
      ({ source, destination }) => source.kind === "address" && this.isExplicit(destination),
    );
    const chosen = new Set<Probe>(explicit);
    for (const some of grouped(probes, ({ source }) => this.endText(source)).values()) {
      const queues = distances.map((distance) => some.filter((probe) => this.distanceOf(probe) === distance));
      const longest = Math.max(...queues.map(({ length }) => length));
      const inTurn = Array.from({ length: longest }, (_, index) =>
        queues.flatMap((queue) => queue[index] ?? []),
      ).flat();
      for (const probe of inTurn.slice(0, sample)) chosen.add(probe);
    }
    return probes.filter((probe) => chosen.has(probe));
  }
}

const distances = [
  "other tenants",
  "neighbours that nobody declared",
  "outside the cluster",
  "other namespaces",
] as const;
type Distance = (typeof distances)[number];

function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

function isMetadata(address: string): boolean {
  return metadataEndpoints.some((endpoint) => endpoint.address === address);
}

/** Addresses of a range: its first ones, and further ones behind exceptions. */
function candidates(cidr: string): string[] {
  const range = parseCidr(cidr);
  const base = parseAddress(cidr.slice(0, cidr.indexOf("/")));
  if (range === undefined || base === undefined) return [];
  const bits = base.family === 4 ? 32 : 128;
  const powers = Array.from({ length: bits }, (_, power) => 1n << BigInt(power));
  const offsets = [1n, 0n, ...powers, ...powers.map((power) => power + 1n)];
  return offsets
    .map((offset) => base.value + offset)
    .filter((value) => value < 1n << BigInt(bits))
    .map((value) => formatAddress({ family: base.family, value }));
}
