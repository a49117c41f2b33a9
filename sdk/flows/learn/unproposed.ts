/** What a recording shows and no declaration should open: each with its reason. */
import { holdsAddress } from "../../plan/planned-peers";
import { metadataCidrs } from "../../plan/addresses";
import { clusterDnsOf, nodeLocalDnsAddress, type ClusterDns } from "../../reachability";
import type { FlowClass } from "../classes";
import { attemptsOf } from "../classes";
import type { RecordedEnd } from "../record";
import { grouped } from "./grouped";

/** Ports that Linux gives to those who open connections (`ip_local_port_range`). */
const ephemeral = { from: 32_768, to: 60_999 };

/** Addresses that are nobody's, or everybody's. */
const specialRanges = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "255.255.255.255/32",
  "::/127",
  "fe80::/10",
  "ff00::/8",
];

/** Whether an address is at one of a cloud's metadata endpoints. */
function isMetadataAddress(address: string): boolean {
  return isWithin(metadataCidrs, address);
}

function isWithin(cidrs: readonly string[], address: string): boolean {
  return cidrs.some((cidr) => holdsAddress({ kind: "cidr", cidr, except: [] }, address));
}

/** Why the far end of a flow is none that is declared: DNS, metadata, addresses that nobody has. */
export function whyNoPeer(
  end: RecordedEnd,
  { protocol, port }: FlowClass,
  servers: readonly ClusterDns[] | undefined,
  cache: string | undefined,
): string | undefined {
  if (end.kind === "pod") {
    const dns = clusterDnsOf({ namespace: end.namespace, labels: end.labels ?? {} }, servers);
    const isDns = dns !== undefined && port === dns.port && (protocol === "UDP" || protocol === "TCP");
    return isDns ? "the cluster's DNS, which is open without a flow" : undefined;
  }
  if (end.kind !== "address") return undefined;
  if (end.address === (cache ?? nodeLocalDnsAddress) && port === 53) {
    return "the cluster's DNS, which is open without a flow";
  }
  if (isMetadataAddress(end.address)) return "metadata addresses, which stay closed";
  if (end.service !== undefined) return "addresses of Services: policies see the pods behind them";
  return isWithin(specialRanges, end.address)
    ? "addresses that are no host's: loopback, link-local, multicast"
    : undefined;
}

/** Whether a port is one that the other end was given for its own connection, as far as nobody serves it. */
export function isEphemeral({ port, protocol }: FlowClass, served: readonly { port: number }[]): boolean {
  if (protocol !== "TCP" && protocol !== "UDP") return false;
  return port >= ephemeral.from && port <= ephemeral.to && !served.some((each) => each.port === port);
}

/** One source that tried more ports of one peer than this, most of them hardly ever, was looking for open ones. */
const mostPorts = 20;
/** One source that tried more peers than this on one port, and was mostly denied, was looking for hosts. */
const mostPeers = 50;
/** A port that was used so often is used, whatever else its source does. */
const often = 3;

/** The kinds of flows that are parts of a scan. */
export function scansIn(classes: readonly FlowClass[]): ReadonlySet<FlowClass> {
  const found = new Set<FlowClass>();
  const rarely = (each: FlowClass): boolean => attemptsOf(each).passed < often;
  for (const group of grouped(classes, ({ source, destination }) => [whoOf(source), whoOf(destination)])) {
    const rare = group.filter(rarely);
    if (new Set(rare.map(({ port, protocol }) => `${port}/${protocol}`)).size > mostPorts) {
      for (const each of rare) found.add(each);
    }
  }
  for (const group of grouped(classes, ({ source, port, protocol }) => [whoOf(source), port, protocol])) {
    const denied = group.filter((each) => attemptsOf(each).denied > 0).length;
    if (group.length > mostPeers && denied * 2 > group.length) {
      for (const each of group.filter(rarely)) found.add(each);
    }
  }
  return found;
}

function whoOf(end: RecordedEnd): unknown {
  return end.kind === "pod" ? [end.namespace, end.labels ?? end.pod] : end;
}
