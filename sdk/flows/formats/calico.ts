/** What Calico records of a flow, in whichever spelling. */
import type { FlowProtocol } from "../../reachability";
import type { LineContent, RecordedEnd, RecordedOutcome } from "../record";
import { notUnderstood, passedOver } from "../record";
import { portOf } from "./fields";

/** What all spellings of Calico's flows say. */
export interface CalicoFlow {
  readonly time: number | undefined;
  readonly action: string | undefined;
  readonly reporter: string | undefined;
  readonly protocol: string | undefined;
  readonly port: unknown;
  readonly source: CalicoEnd;
  readonly destination: CalicoEnd;
  /** The actions of staged policies, the last of which would decide. */
  readonly pending: readonly (string | undefined)[];
  /** Connections that began; absent where the spelling leaves it out. */
  readonly started: number | undefined;
}

export interface CalicoEnd {
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly type: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

export function readCalico(flow: CalicoFlow): LineContent {
  const { time, port } = flow;
  if (time === undefined) return notUnderstood("a flow without its time");
  const outcome = outcomeOf(flow);
  if (outcome === undefined) return notUnderstood(`the action ${JSON.stringify(flow.action) ?? "that is missing"}`);
  const protocol = protocols[(flow.protocol ?? "").toLowerCase()];
  if (protocol === undefined) return notUnderstood(`the protocol ${flow.protocol ?? "that is missing"}`);
  const number = portOf(port ?? 0);
  if (number === undefined) return notUnderstood("a destination port that is none");
  if (flow.started === 0 && outcome !== "denied") return passedOver("a connection that only went on");
  const side = flow.reporter === "Src" ? "egress" : flow.reporter === "Dst" ? "ingress" : undefined;
  return {
    kind: "flow",
    record: {
      time,
      source: endOf(flow.source),
      destination: endOf(flow.destination),
      protocol,
      port: number,
      ...(side === undefined ? {} : { side }),
      outcome,
      count: Math.max(1, flow.started ?? 1),
    },
  };
}

function outcomeOf({ action, pending }: CalicoFlow): RecordedOutcome | undefined {
  if (action === "Deny") return "denied";
  if (action !== "Allow") return undefined;
  return pending.at(-1) === "Deny" ? "would-be-denied" : "allowed";
}

const protocols: Readonly<Record<string, FlowProtocol>> = {
  tcp: "TCP",
  "6": "TCP",
  udp: "UDP",
  "17": "UDP",
  sctp: "SCTP",
  "132": "SCTP",
  icmp: "ICMP",
  "1": "ICMP",
  icmpv6: "ICMPv6",
  "58": "ICMPv6",
};

/** All that is said of an end outside the cluster. */
const networks: Readonly<Record<string, string>> = {
  pub: "a public network, whose address Calico does not record",
  "PUBLIC NETWORK": "a public network, whose address Calico does not record",
  pvt: "a private network, whose address Calico does not record",
  "PRIVATE NETWORK": "a private network, whose address Calico does not record",
};

function endOf({ name, namespace, type, labels }: CalicoEnd): RecordedEnd {
  const network = networks[name ?? ""];
  if (network !== undefined) return { kind: "unresolvable", name: network };
  if (type === "HostEndpoint") return { kind: "node", where: "remote" };
  if (type === "NetworkSet") return { kind: "unresolvable", name: `the network set ${name ?? "without a name"}` };
  if (namespace === undefined || namespace === "-" || type === "Network") {
    return { kind: "unresolvable", name: `${name ?? "an end without a name"}, which is no pod` };
  }
  const own = Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith("projectcalico.org/")));
  return {
    kind: "pod",
    namespace,
    ...(Object.keys(labels).length === 0 ? {} : { labels: own, sharedLabels: true }),
    ...(name === undefined || name === "-" ? {} : { pod: name }),
  };
}
