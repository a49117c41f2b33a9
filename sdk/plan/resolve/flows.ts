import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import { Entity, Protocol } from "../declaration";
import { standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import { metadataServices } from "../metadata-services";
import type { FlowGroup, ModelFlow, ModelPeer, ModelWorkload, PortRange } from "../model";
import type { Expansion } from "../presets/index";
import { presetOwner } from "../presets/index";
import type { Reader } from "../reader";
import { known } from "../reader";
import type { PeerDirectory } from "./peers";
import { findWorkload, readPeer } from "./peers";
import { describePort, isGuess, mergePorts, readFlowPorts } from "./ports";

/** Reads every flow: the declared ones, those of platform services, webhooks and scraping. */
export function readFlows(
  reader: Reader,
  problems: ProblemCollector,
  declared: unknown,
  expansions: readonly Expansion[],
  directory: PeerDirectory,
  apiServerPorts: readonly number[],
  exceptions: readonly {
    readonly path: PropertyPath;
    readonly flow: unknown;
    readonly expires: string | undefined;
  }[] = [],
): readonly ModelFlow[] {
  const flows: ModelFlow[] = [];
  const context = { reader, problems, directory, apiServerPorts };
  for (const expansion of expansions) {
    const group: FlowGroup =
      expansion.isApplication === true ? { kind: "application" } : { kind: "service", service: expansion.name };
    expansion.flows.forEach((value, index) => {
      const flow = readFlow(context, [...expansion.path, "flows", index], value, group);
      if (flow !== undefined) flows.push({ ...flow, preset: formatPath(expansion.path) });
    });
    expansion.webhooks.forEach(({ workload: name, port }, index) => {
      const path = [...expansion.path, "webhooks", index];
      const workload = findWorkload(problems, directory, [...path, "workload"], name);
      if (workload === undefined) return;
      const call = webhookFlow(path, workload, port, group);
      if (endsAreUsable(problems, path, call.from, call.to))
        flows.push({ ...call, preset: formatPath(expansion.path) });
    });
  }
  const application: FlowGroup = { kind: "application" };
  reader.list(["flows"], declared).forEach((value, index) => {
    const flow = readFlow(context, ["flows", index], value, application);
    if (flow !== undefined) flows.push(flow);
  });
  for (const { path, flow: value, expires } of exceptions) {
    const flow = readFlow(context, path, value, application);
    if (flow !== undefined) flows.push(expires === undefined ? flow : { ...flow, expires });
  }
  refuseDuplicates(problems, flows);
  return [...flows, ...metricsFlows(expansions, directory), ...metadataFlows(directory)];
}

interface FlowContext {
  readonly reader: Reader;
  readonly problems: ProblemCollector;
  readonly directory: PeerDirectory;
  readonly apiServerPorts: readonly number[];
}

const flowFields = ["from", "to", "ports", "reason", "owner", "critical", "reviewBy"];

/** A step of the builder, whose last method has not been called. */
function isUnfinished(value: object): boolean {
  return Object.values(value).some((item) => typeof item === "function");
}

function readFlow(context: FlowContext, path: PropertyPath, value: unknown, group: FlowGroup): ModelFlow | undefined {
  const { reader, problems, directory } = context;
  if (typeof value === "object" && value !== null && isUnfinished(value)) {
    problems.add(
      path,
      value,
      "is an unfinished flow",
      'End it with .because("…").ownedBy("…"), after .to(…) and .on(…).',
    );
    return undefined;
  }
  const fix = 'Write it as flow("a").to("b").on(tcp(80)).because("…").ownedBy("…").';
  const fields = reader.item(path, value, flowFields, "is not a flow", fix);
  if (fields === undefined) return undefined;
  const from = readPeer(reader, problems, directory, [...path, "from"], fields["from"]);
  const to = readPeer(reader, problems, directory, [...path, "to"], fields["to"]);
  const reason = meaningful(context, [...path, "reason"], fields["reason"], "Say why the flow exists.");
  const owner = meaningful(context, [...path, "owner"], fields["owner"], "Name the team that owns the flow.");
  const destination = to?.kind === "workload" ? to.workload : undefined;
  const listed = readFlowPorts(reader, problems, [...path, "ports"], fields["ports"], destination);
  const toApiServer = to?.kind === "entity" && to.entity === Entity.KubeApiserver;
  const isEmpty = reader.list([...path, "ports"], fields["ports"]).length === 0;
  if (isEmpty && !toApiServer && to !== undefined) {
    const fix = "Name the ports: a flow without ports would open every port (least privilege).";
    problems.add([...path, "ports"], fields["ports"], "names no port", fix);
  }
  if (from === undefined || to === undefined || reason === undefined || owner === undefined) return undefined;
  if (!endsAreUsable(problems, path, from, to)) return undefined;
  const ports = isEmpty ? apiServerRanges(context.apiServerPorts) : listed;
  // a shared service that loses the API server stops working, and with it what relies on it
  const critical = reader.flag([...path, "critical"], fields["critical"]) ?? (group.kind === "service" && toApiServer);
  const reviewBy = reader.date([...path, "reviewBy"], fields["reviewBy"]);
  const review = reviewBy === undefined ? {} : { reviewBy };
  return ports.length === 0 ? undefined : { from, to, ports, reason, owner, group, path, critical, ...review };
}

function meaningful(context: FlowContext, path: PropertyPath, value: unknown, fix: string): string | undefined {
  const text = known(value, standIns.text);
  if (typeof text === "string" && text.trim() !== "") return text.trim();
  context.problems.add(path, text, "is empty", fix);
  return undefined;
}

function apiServerRanges(numbers: readonly number[]): readonly PortRange[] {
  return mergePorts(numbers.map((number) => ({ protocol: Protocol.TCP, from: number, to: number })));
}

function endsAreUsable(problems: ProblemCollector, path: PropertyPath, from: ModelPeer, to: ModelPeer): boolean {
  if (from.kind === "fqdn") {
    const fix = "Sources are known by address: use cidr(…), or internet().";
    problems.add([...path, "from", "fqdn"], from.name, "is a DNS name as a source", fix);
    return false;
  }
  if (to.kind === "entity" && to.entity === Entity.Ingress) {
    const fix = "Name the workloads behind the gateway as destinations, with the ingress as the source.";
    problems.add([...path, "to", "entity"], to.entity, "cannot be a destination", fix);
    return false;
  }
  const isOutside = from.kind === "cidr" || (from.kind === "entity" && from.entity === Entity.Internet);
  if (isOutside && to.kind === "workload" && to.workload.denyExternal) {
    const fix = `Remove denyExternal from ${to.workload.id}, or the flow.`;
    problems.add([...path, "to", "workload"], to.workload.name, "denies whatever comes from outside the cluster", fix);
    return false;
  }
  // of a managed control plane, which lies outside: Cilium knows it as the world, too
  const isApiServer = from.kind === "entity" && from.entity === Entity.KubeApiserver;
  if (isApiServer && to.kind === "workload" && to.workload.denyExternal) {
    const fix = `Remove denyExternal from ${to.workload.id}: an API server may lie outside the cluster.`;
    problems.add(path, to.workload.name, "is called by the API server, which denyExternal may cut off", fix);
    return false;
  }
  if (!isInside(from) && !isInside(to)) {
    const fix = "At least one end is a workload or a namespace.";
    problems.add(path, undefined, "touches no pod of the cluster: no policy could hold it", fix);
    return false;
  }
  return true;
}

function isInside(peer: ModelPeer): boolean {
  return peer.kind === "workload" || peer.kind === "namespace";
}

function webhookFlow(path: PropertyPath, workload: ModelWorkload, port: number, group: FlowGroup): ModelFlow {
  return {
    from: { kind: "entity", entity: Entity.KubeApiserver },
    to: { kind: "workload", workload },
    ports: [{ protocol: Protocol.TCP, from: port, to: port }],
    reason: "calls its admission webhook",
    owner: presetOwner,
    group,
    path,
    // a webhook that cannot be called stops whatever it has a say in
    critical: true,
  };
}

/** The scraper of each observability service to every metrics port of every workload, in any namespace. */
function metricsFlows(expansions: readonly Expansion[], directory: PeerDirectory): readonly ModelFlow[] {
  return expansions.flatMap((expansion) => {
    const scraper = expansion.scraper === undefined ? undefined : directory.workloads.get(expansion.scraper);
    if (scraper === undefined) return [];
    return [...directory.workloads.values()].flatMap((target): ModelFlow[] => {
      const ports = mergePorts(target.ports.filter((port) => port.metrics));
      // ports on the host network are the node's: they are among the scraper's nodePorts
      if (ports.length === 0 || target.hostNetwork) return [];
      return [
        {
          from: { kind: "workload", workload: scraper },
          to: { kind: "workload", workload: target },
          ports,
          reason: "scrapes metrics",
          owner: presetOwner,
          group: { kind: "metrics", service: expansion.name },
          path: [...expansion.path, "scraper"],
          preset: formatPath(expansion.path),
          critical: false,
        },
      ];
    });
  });
}

/** What workloads were given of the cloud's credential services. */
function metadataFlows(directory: PeerDirectory): readonly ModelFlow[] {
  return [...directory.workloads.values()].flatMap((workload) =>
    workload.metadataAccess.map(({ service, reason, owner, expires, path }): ModelFlow => {
      const group: FlowGroup =
        workload.service === undefined ? { kind: "application" } : { kind: "service", service: workload.service };
      const from: ModelPeer = { kind: "workload", workload };
      const to: ModelPeer = { kind: "metadata", service };
      const { ports } = metadataServices[service];
      const end = expires === undefined ? {} : { expires };
      return { from, to, ports, reason, owner, group, path, critical: false, ...end };
    }),
  );
}

/** One text for each peer that a policy may write as one: equal for equal peers, unless one comes from an output. */
export function peerIdentity(peer: ModelPeer): string {
  const origin = peer.kind === "cidr" ? peer.range.origin : peer.kind === "fqdn" ? peer.origin : undefined;
  return origin === undefined ? peerKey(peer) : `${peer.kind} of ${formatPath(origin.path)}`;
}

function isGuessed(peer: ModelPeer): boolean {
  return (peer.kind === "cidr" && isGuess(peer.range)) || (peer.kind === "fqdn" && isGuess(peer));
}

/** One text for each peer; equal for equal peers. */
export function peerKey(peer: ModelPeer): string {
  switch (peer.kind) {
    case "workload":
      return `workload ${peer.workload.id}`;
    case "namespace":
      return `namespace ${peer.namespace.name}`;
    case "cidr":
      return `cidr ${peer.range.cidr} except ${peer.range.except.join()}`;
    case "fqdn":
      return `fqdn ${peer.name}`;
    case "entity":
      return `entity ${peer.entity}`;
    case "metadata":
      return `metadata ${peer.service}`;
  }
}

function refuseDuplicates(problems: ProblemCollector, flows: readonly ModelFlow[]): void {
  const byEnds = new Map<string, ModelFlow[]>();
  for (const flow of flows) {
    // what is not known yet may turn out to be the same, or not
    if (isGuessed(flow.from) || isGuessed(flow.to)) continue;
    const key = `${peerKey(flow.from)} → ${peerKey(flow.to)}`;
    const earlier = byEnds.get(key) ?? [];
    for (const other of earlier) {
      const shared = flow.ports.find((port) => other.ports.some((taken) => overlap(port, taken)));
      if (shared === undefined) continue;
      problems.add(
        flow.path,
        flow,
        `repeats ${formatPath(other.path)}: same ends, same port ${describePort(shared)}`,
        "Keep one of them, with one reason and one owner.",
      );
      break;
    }
    byEnds.set(key, [...earlier, flow]);
  }
}

function overlap(a: PortRange, b: PortRange): boolean {
  if (isGuess(a) || isGuess(b)) return false;
  return a.protocol === b.protocol && a.from <= b.to && b.from <= a.to;
}
