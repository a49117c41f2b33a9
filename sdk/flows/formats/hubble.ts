/**
 * Flows that Cilium's Hubble exports (`ExportEvent`), that `hubble observe -o json` prints (`GetFlowsResponse`), or the bare
 * flows of its older clients. Names and numbers are those of Cilium's `flow.proto`.
 */
import { isFlowId } from "../../plan/flow-id";
import type { FlowProtocol } from "../../reachability";
import { isMap, listOf, mapOf, type Fields } from "../../reachability/model/plain";
import type { FlowRecord, LineContent, RecordedEnd, RecordedOutcome } from "../record";
import { notUnderstood, passedOver } from "../record";
import { field, labelsOf, numberOf, portOf, textOf, timeOf } from "./fields";

/** Whether a line's value is Hubble's. */
export function isHubble(value: Fields): boolean {
  if (["flow", "lost_events", "lostEvents", "node_status", "nodeStatus"].some((name) => isMap(value[name]))) {
    return value["Key"] === undefined && mapOf(value["flow"])["Key"] === undefined;
  }
  if (["agent_event", "agentEvent", "debug_event", "debugEvent"].some((name) => isMap(value[name]))) return true;
  return value["verdict"] !== undefined && (isMap(value["IP"]) || isMap(value["l4"]) || isMap(value["source"]));
}

export function readHubble(value: Fields): LineContent {
  const lost = field(value, "lost_events");
  if (isMap(lost)) return { kind: "lost", count: numberOf(field(lost, "num_events_lost")) ?? 1 };
  const flow = value["flow"] ?? value;
  if (!isMap(flow)) return notUnderstood("a flow that is no map");
  if (value["flow"] === undefined && flow["verdict"] === undefined) return passedOver("an event that is no flow");
  return readFlow(flow, textOf(field(value, "node_name")));
}

function readFlow(flow: Fields, envelopeNode: string | undefined): LineContent {
  const lookup = lookupOf(flow);
  if (lookup !== undefined) return lookup;
  const notAnAttempt = whyNoAttempt(flow);
  if (notAnAttempt !== undefined) return passedOver(notAnAttempt);
  const decided = outcomeOf(flow);
  if (typeof decided === "object" && "kind" in decided) return decided;
  const traffic = trafficOf(mapOf(field(flow, "l4")));
  if (typeof traffic === "string") return notUnderstood(traffic);
  const unclear = whyUnclear(flow, decided.outcome, traffic);
  if (unclear !== undefined) return passedOver(unclear);
  const time = timeOf(field(flow, "time"));
  if (time === undefined) return notUnderstood("a flow without its time");
  const node = textOf(field(flow, "node_name")) ?? envelopeNode;
  const side = sideOf(flow);
  const sum = sumOf(flow);
  const addresses = mapOf(flow["IP"]);
  const declared = declaredIn(flow);
  const record: FlowRecord = {
    time,
    ...(node === undefined ? {} : { node }),
    source: endOf(mapOf(field(flow, "source")), textOf(addresses["source"]), field(flow, "source_names")),
    destination: endOf(
      mapOf(field(flow, "destination")),
      textOf(addresses["destination"]),
      field(flow, "destination_names"),
      mapOf(field(flow, "destination_service")),
    ),
    protocol: traffic.protocol,
    port: traffic.port,
    ...(side === undefined ? {} : { side }),
    outcome: decided.outcome,
    ...(decided.explicit ? { explicit: true } : {}),
    ...(declared.length === 0 ? {} : { declared }),
    ...(sum === undefined ? { attempt: attemptOf(addresses, traffic), count: 1 } : { count: sum }),
  };
  return { kind: "flow", record };
}

/** What a DNS server answered to a pod whose questions go through Cilium's DNS proxy. */
function lookupOf(flow: Fields): LineContent | undefined {
  const l7 = mapOf(flow["l7"]);
  const dns = l7["dns"];
  if (field(l7, "type") !== "RESPONSE" || !isMap(dns)) return undefined;
  const name = textOf(field(dns, "query"));
  const addresses = listOf(field(dns, "ips")).filter((each): each is string => typeof each === "string");
  return name === undefined || addresses.length === 0
    ? undefined
    : { kind: "lookup", name: plainName(name), addresses };
}

/** A DNS name in lower case, without the dot of the root. */
function plainName(name: string): string {
  return name.replace(/\.$/, "").toLowerCase();
}

/** Records that say nothing about the start of a connection. */
function whyNoAttempt(flow: Fields): string | undefined {
  if (field(flow, "is_reply") === true) return "a reply";
  const type = numberOf(field(mapOf(field(flow, "event_type")), "type"));
  if (flow["Type"] === "L7" || type === 129) return "an L7 record: its connection has a record of its own";
  if (flow["Type"] === "SOCK" || type === 7)
    return "a socket event: policies see the backend, which another record has";
  if (type === 2 || type === 3) return "a debug event";
  if (type === 4 && !isThrough(flow)) {
    return "a trace event on the way: only one at the destination or at the source shows that a flow is allowed";
  }
  return undefined;
}

/** Where a packet is that its source's policies have let go. */
const departures: ReadonlySet<unknown> = new Set(["TO_STACK", "TO_NETWORK", "TO_OVERLAY", "TO_HOST"]);

/**
 * Whether a trace event is behind the policies of its side. Where no policy selects a pod there is no verdict, and trace
 * events are all that tells of its traffic.
 */
function isThrough(flow: Fields): boolean {
  const point = field(flow, "trace_observation_point");
  return point === "TO_ENDPOINT" || (departures.has(point) && field(flow, "traffic_direction") === "EGRESS");
}

/** Reasons of drops that policies give, by name and by the number of old files. */
const denials: Readonly<Record<string, { readonly explicit: boolean }>> = {
  POLICY_DENIED: { explicit: false },
  "133": { explicit: false },
  POLICY_DENY: { explicit: true },
  "181": { explicit: true },
};

/**
 * Whether nothing but the policy of mode audit let it pass: its rule alone is for every peer and every port (match type 4),
 * and it marks what it lets pass, declared flows too.
 */
function isOnlyAudited(flow: Fields): boolean {
  return numberOf(field(flow, "policy_match_type")) === 4 && listOf(field(flow, "policy_log")).includes("would-deny");
}

/** Ids of declared flows among the marks of the rules that decided (`log.value`); others write marks of their own. */
function declaredIn(flow: Fields): readonly string[] {
  const marks = listOf(field(flow, "policy_log")).filter((mark): mark is string => typeof mark === "string");
  return [...new Set(marks.filter(isFlowId))].sort();
}

interface Decided {
  readonly outcome: RecordedOutcome;
  readonly explicit: boolean;
}

function outcomeOf(flow: Fields): Decided | LineContent {
  const verdict = field(flow, "verdict");
  switch (verdict) {
    case "FORWARDED":
    case "REDIRECTED":
      return { outcome: isOnlyAudited(flow) ? "would-be-denied" : "allowed", explicit: false };
    case "AUDIT":
      return { outcome: "would-be-denied", explicit: false };
    case "DROPPED": {
      const reason = textOf(field(flow, "drop_reason_desc")) ?? numberOf(field(flow, "drop_reason")) ?? "unknown";
      const denial = Object.hasOwn(denials, reason) ? denials[String(reason)] : undefined;
      return denial === undefined
        ? passedOver(`dropped, and not by a policy: ${String(reason)}`)
        : { outcome: "denied", explicit: denial.explicit };
    }
    case "ERROR":
    case "TRACED":
    case "TRANSLATED":
      return passedOver(`the verdict ${verdict}, which no policy gives`);
    default:
      return notUnderstood(`the verdict ${JSON.stringify(verdict) ?? "that is missing"}`);
  }
}

interface L4 {
  readonly protocol: FlowProtocol;
  readonly port: number;
  readonly sourcePort: number | undefined;
  /** TCP only: the first packet of a connection. */
  readonly opens: boolean | undefined;
}

/** Protocol and port, or why they are not to be had. */
function trafficOf(l4: Fields): L4 | string {
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    const fields = l4[protocol];
    if (!isMap(fields)) continue;
    const port = portOf(field(fields, "destination_port"));
    if (port === undefined)
      return "a flow without its destination port: leave destination_port in the export's field mask and aggregate";
    const flags = mapOf(fields["flags"]);
    const opens =
      protocol === "TCP" && isMap(fields["flags"]) ? flags["SYN"] === true && flags["ACK"] !== true : undefined;
    return { protocol, port, sourcePort: portOf(field(fields, "source_port")), opens };
  }
  const icmp = [
    ["ICMPv4", "ICMP"],
    ["ICMPv6", "ICMPv6"],
  ] as const;
  for (const [name, protocol] of icmp) {
    const fields = l4[name];
    // a type of 0 is left out
    if (isMap(fields)) return { protocol, port: portOf(fields["type"]) ?? 0, sourcePort: undefined, opens: undefined };
  }
  const other = Object.keys(l4)[0];
  return other === undefined ? "a flow without its protocol" : `the protocol ${other}`;
}

/** A flow of which nobody can say whether it begins a connection, and from which end. */
function whyUnclear(flow: Fields, outcome: RecordedOutcome, { opens }: L4): string | undefined {
  const isReply = field(flow, "is_reply");
  if (outcome !== "allowed") {
    // drops do not know whether they are replies
    return opens === false ? "a packet of a connection that the agent did not know any more" : undefined;
  }
  if (isReply === false || opens === true) return undefined;
  if (opens === false) return "a packet of a connection that the agent did not know any more";
  return "reply or not: the record does not say";
}

function sideOf(flow: Fields): "egress" | "ingress" | undefined {
  const direction = field(flow, "traffic_direction");
  if (direction === "EGRESS") return "egress";
  if (direction === "INGRESS") return "ingress";
  const { egress, ingress } = sums(flow);
  if (egress > 0 && ingress === 0) return "egress";
  return ingress > 0 && egress === 0 ? "ingress" : undefined;
}

function sums(flow: Fields): { readonly egress: number; readonly ingress: number; readonly unknown: number } {
  const aggregate = mapOf(flow["aggregate"]);
  const count = (name: string): number => numberOf(field(aggregate, name)) ?? 0;
  return {
    egress: count("egress_flow_count"),
    ingress: count("ingress_flow_count"),
    unknown: count("unknown_direction_flow_count"),
  };
}

/** For how many flows an aggregated record stands; undefined for a record of one. */
function sumOf(flow: Fields): number | undefined {
  if (!isMap(flow["aggregate"])) return undefined;
  const { egress, ingress, unknown } = sums(flow);
  return Math.max(1, egress + ingress + unknown);
}

function attemptOf(addresses: Fields, { protocol, port, sourcePort }: L4): string {
  const source = textOf(addresses["source"]) ?? "";
  return `${source} ${sourcePort ?? ""} ${textOf(addresses["destination"]) ?? ""} ${port} ${protocol}`;
}

const reserved: Readonly<Record<string, RecordedEnd>> = {
  host: { kind: "node", where: "local" },
  "remote-node": { kind: "node", where: "remote" },
  "kube-apiserver": { kind: "kubeApiserver" },
  ingress: { kind: "ingressProxy" },
  health: { kind: "unresolvable", name: "Cilium's health check" },
  init: { kind: "unresolvable", name: "a pod without identity yet" },
  unmanaged: { kind: "unresolvable", name: "a pod that Cilium does not manage" },
};

/** Numbers of the reserved identities, for records whose labels a field mask took away. */
const reservedNumbers: Readonly<Record<number, string>> = {
  1: "host",
  3: "unmanaged",
  4: "health",
  5: "init",
  6: "remote-node",
  7: "kube-apiserver",
  8: "ingress",
};

function endOf(end: Fields, address: string | undefined, names: unknown, service: Fields = {}): RecordedEnd {
  const labels = listOf(field(end, "labels")).filter((label): label is string => typeof label === "string");
  const special = reservedName(labels, numberOf(field(end, "identity")));
  const known = special === undefined ? undefined : reserved[special];
  if (known !== undefined) {
    const hasAddress = known.kind === "node" || known.kind === "kubeApiserver";
    return hasAddress && address !== undefined ? { ...known, address } : known;
  }
  const namespace = textOf(field(end, "namespace"));
  if (namespace !== undefined) return podOf(end, namespace, labels);
  if (address === undefined) return { kind: "unresolvable", name: "an end without an address" };
  const serviceName = textOf(field(service, "name"));
  return {
    kind: "address",
    address,
    names: listOf(names).flatMap((name) => (typeof name === "string" ? [plainName(name)] : [])),
    ...(serviceName === undefined ? {} : { service: `${textOf(field(service, "namespace")) ?? ""}/${serviceName}` }),
  };
}

/** An API server on a node has both labels: it is the API server that rules name. */
function reservedName(labels: readonly string[], identity: number | undefined): string | undefined {
  const names = labels.filter((label) => label.startsWith("reserved:")).map((label) => label.slice("reserved:".length));
  if (names.includes("kube-apiserver")) return "kube-apiserver";
  return (
    names.find((name) => Object.hasOwn(reserved, name)) ??
    (identity === undefined ? undefined : reservedNumbers[identity])
  );
}

const accountLabel = "io.cilium.k8s.policy.serviceaccount";

function podOf(end: Fields, namespace: string, texts: readonly string[]): RecordedEnd {
  const all = labelsOf(texts.filter((text) => text.startsWith("k8s:")).map((text) => text.slice("k8s:".length)));
  const labels = Object.fromEntries(Object.entries(all).filter(([key]) => !isOfKubernetes(key)));
  const serviceAccount = all[accountLabel];
  const pod = textOf(field(end, "pod_name"));
  const workload = textOf(mapOf(listOf(field(end, "workloads"))[0])["name"]);
  return {
    kind: "pod",
    namespace,
    ...(Object.keys(all).length > 0 ? { labels } : {}),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(pod === undefined ? {} : { pod }),
    ...(workload === undefined ? {} : { workload }),
  };
}

/** Labels that Cilium adds to say what Kubernetes has elsewhere: namespace, account, cluster. */
function isOfKubernetes(key: string): boolean {
  return key.startsWith("io.kubernetes.pod.namespace") || key.startsWith("io.cilium.");
}
