import { IPv6 } from "ipaddr.js";
import { parseAddress, parseCidr } from "../reachability";
import type { Flow, FlowProtocol, Peer, Snapshot, Workload } from "../reachability";
import { didYouMean, nearest, usageError } from "./errors";

const flowProtocols: readonly FlowProtocol[] = ["TCP", "UDP", "SCTP", "ICMP", "ICMPv6"];

/** `tcp` → TCP. @throws CliError for anything else. */
function parseProtocol(text: string): FlowProtocol {
  const protocol = parseProtocolName(text);
  if (protocol === undefined) throw usageError(`"${text}" is no protocol: use tcp, udp, sctp, icmp or icmpv6`);
  return protocol;
}

/** A port by number, as users write it. @throws CliError unless 1 ≤ port ≤ 65535. */
function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    throw usageError(`"${text}" is no port: use a number from 1 to 65535`);
  }
  return port;
}

/** `80`, `53/udp`, `icmp` (a protocol without a port), as `--port` takes it. */
export function parsePortAndProtocol(text: string): { protocol: FlowProtocol; port?: number } {
  const [first = "", second, ...rest] = text.split("/");
  if (rest.length > 0) throw usageError(`"${text}" is no port: write 443 or 53/udp`);
  if (second === undefined && !/^\d/.test(first)) return { protocol: parseProtocol(first) };
  const protocol = second === undefined ? "TCP" : parseProtocol(second);
  return { protocol, port: parsePort(first) };
}

/**
 * The flow between two ends as users write them.
 *
 * @throws CliError where an end is not understood, or names what the snapshot does not have.
 */
export function parseFlow(from: string, to: string, snapshot: Snapshot): Flow {
  const source = parsePeer(from, snapshot, () => {
    const { end, port } = splitPort(from);
    if (port !== undefined) {
      throw usageError(`"${from}" has a port, and only the destination has one: write "${end}"`);
    }
  });
  const { end, port, protocol } = splitPort(to);
  const destination = parsePeer(end, snapshot);
  if (port === undefined) return { source, destination, protocol: protocol ?? "TCP" };
  if (/^\d+$/.test(port)) {
    const number = protocol === "ICMP" || protocol === "ICMPv6" ? parseIcmpType(port) : parsePort(port);
    return { source, destination, protocol: protocol ?? "TCP", port: number };
  }
  const named = parseProtocolName(port);
  if (named !== undefined && protocol === undefined) return { source, destination, protocol: named };
  return { source, destination, ...namedPort(port, protocol, destination, snapshot) };
}

function parseIcmpType(text: string): number {
  const type = Number(text);
  if (type > 255) throw usageError(`"${text}" is no ICMP type: use a number from 0 to 255`);
  return type;
}

function parseProtocolName(text: string): FlowProtocol | undefined {
  return flowProtocols.find((known) => known.toUpperCase() === text.toUpperCase());
}

/** Takes `:PORT` or `:PORT/PROTOCOL` from the end. IPv6 addresses keep their colons unless they are in brackets. */
function splitPort(text: string): { end: string; port?: string; protocol?: FlowProtocol } {
  if (parseAddress(text) !== undefined) return { end: text };
  const match = /^(.*):([A-Za-z0-9][A-Za-z0-9-]*)(?:\/([A-Za-z][A-Za-z0-9]*))?$/.exec(text);
  if (match === null || match[1] === undefined || match[2] === undefined) return { end: text };
  const end = match[1].replace(/^\[([0-9A-Fa-f:.]+)\]$/, "$1");
  return { end, port: match[2], ...(match[3] === undefined ? {} : { protocol: parseProtocol(match[3]) }) };
}

/** A port by its name: what the destination's containers call so. */
function namedPort(
  name: string,
  protocol: FlowProtocol | undefined,
  destination: Peer,
  snapshot: Snapshot,
): { protocol: FlowProtocol; port: number } {
  const workload =
    destination.kind === "workload" ? snapshot.workloads.find(({ id }) => id === destination.id) : undefined;
  if (workload === undefined) throw usageError(`"${name}" is no port: only workloads have ports by name`);
  const ports = workload.ports.filter(
    (port) => port.name === name && (protocol === undefined || port.protocol === protocol),
  );
  const [port] = ports;
  if (port === undefined) {
    const names = [...new Set(workload.ports.flatMap((each) => each.name ?? []))];
    const has = names.length === 0 ? "it names none" : `it has ${names.join(", ")}`;
    throw usageError(`${workload.id} has no port named "${name}": ${has}`);
  }
  if (ports.some((other) => other.port !== port.port || other.protocol !== port.protocol)) {
    throw usageError(`${workload.id} has several ports named "${name}": give the number`);
  }
  return { protocol: port.protocol, port: port.port };
}

function parsePeer(text: string, snapshot: Snapshot, beforeGivingUp: () => void = () => undefined): Peer {
  if (text === "") throw usageError(`an end of the flow is empty: see "cluster-security explain --help"`);
  if (text === "kube-apiserver") return { kind: "kubeApiserver" };
  if (text === "node") return { kind: "node", where: "remote" };
  if (text === "local-node") return { kind: "node", where: "local" };
  if (text.startsWith("node@")) return nodeAt(text.slice("node@".length));
  if (text.startsWith("new@")) return freshPod(text.slice("new@".length), snapshot);
  const address = text.replace(/^\[([0-9A-Fa-f:.]+)\]$/, "$1");
  if (parseAddress(address) !== undefined) return { kind: "address", address: onTheWire(address) };
  if (parseCidr(text) !== undefined) {
    throw usageError(`"${text}" is a range: name one address of it, or ask "cluster-security matrix"`);
  }
  const found = workloadsNamed(text, snapshot);
  const member = found.length === 0 ? podNamed(text, snapshot) : undefined;
  if (member !== undefined) return member;
  if (found.length === 0 && isDnsName(text)) return { kind: "fqdn", name: text };
  if (found.length === 0) beforeGivingUp();
  return { kind: "workload", id: oneWorkload(text, found, snapshot).id };
}

/**
 * The address that packets carry. A socket that opens an IPv4-mapped address, `::ffff:10.0.0.5`, sends IPv4 (RFC 4291,
 * 2.5.5.2; RFC 4038, 4.2).
 */
function onTheWire(address: string): string {
  if (!IPv6.isValid(address)) return address;
  const parsed = IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : address;
}

function nodeAt(address: string): Peer {
  if (parseAddress(address) === undefined) throw usageError(`"${address}" is no address: write node@10.0.0.5`);
  return { kind: "node", where: "remote", address: onTheWire(address) };
}

/** `NAMESPACE[/ACCOUNT][,LABEL=VALUE…]` */
function freshPod(text: string, snapshot: Snapshot): Peer {
  const [place = "", ...pairs] = text.split(",");
  const [namespace = "", serviceAccount] = place.split("/", 2);
  knownNamespace(namespace, snapshot);
  const labels: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw usageError(`"${pair}" is no label: write new@${namespace},app=web`);
    labels[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return { kind: "freshPod", namespace, labels, ...(serviceAccount === undefined ? {} : { serviceAccount }) };
}

/** @throws CliError where the snapshot has no such namespace. */
export function knownNamespace(name: string, snapshot: Snapshot): string {
  if (snapshot.namespaces.has(name)) return name;
  const near = didYouMean(nearest(name, snapshot.namespaces.keys()));
  throw usageError(`there is no namespace "${name}" in what was read.${near}`);
}

/** @throws CliError where the snapshot has no such workload, or several. */
export function knownWorkload(text: string, snapshot: Snapshot): Workload {
  return oneWorkload(text, workloadsNamed(text, snapshot), snapshot);
}

function workloadsNamed(text: string, snapshot: Snapshot): readonly Workload[] {
  const exact = snapshot.workloads.filter(({ id }) => id === text);
  if (exact.length > 0) return exact;
  const kindless = text.includes("/")
    ? snapshot.workloads.filter(({ namespace, name }) => `${namespace}/${name}` === text)
    : snapshot.workloads.filter(({ name, kind }) => name === text || `${name}[${kind}]` === text);
  return kindless;
}

/** A pod that was read as one of its controller's: `shop/db-0`, `shop/db-0[Pod]`. */
function podNamed(text: string, snapshot: Snapshot): Peer | undefined {
  const name = text.replace(/\[Pod\]$/, "");
  for (const { id, namespace, members } of snapshot.workloads) {
    const pod = members.find((each) => name === `${namespace}/${each.name}`)?.name;
    if (pod !== undefined) return { kind: "workload", id, pod };
  }
  return undefined;
}

function oneWorkload(text: string, found: readonly Workload[], snapshot: Snapshot): Workload {
  const [first, second] = found;
  if (first === undefined) {
    // Users leave out the kind, and often the namespace.
    const key = (id: string): string => {
      const kindless = id.replace(/\[[^\]]*\]$/, "");
      return text.includes("/") ? kindless : kindless.slice(kindless.indexOf("/") + 1);
    };
    const ids = snapshot.workloads.map(({ id }) => id);
    const near = didYouMean(nearest(text, ids, key));
    throw usageError(`there is no workload "${text}" in what was read (${countOf(snapshot)}).${near}`);
  }
  if (second !== undefined) {
    throw usageError(`"${text}" may be ${found.map(({ id }) => id).join(" or ")}: write the one you mean`);
  }
  return first;
}

function countOf(snapshot: Snapshot): string {
  const count = snapshot.workloads.length;
  return count === 1 ? "1 workload" : `${count} workloads`;
}

/** A name of at least two labels, as DNS has them. */
function isDnsName(text: string): boolean {
  return /^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?\.?$/i.test(text);
}

/** `TCP 80`, `TCP (any port)`. */
export function describePort(flow: Pick<Flow, "protocol" | "port">): string {
  if (flow.port === undefined) return flow.protocol.startsWith("ICMP") ? flow.protocol : `${flow.protocol} (any port)`;
  return `${flow.protocol} ${flow.port}`;
}
