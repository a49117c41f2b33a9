/**
 * What of a pod's traffic its proxy gets to see: Istio's annotations for the redirection of traffic.
 * Source: istio injection-template.yaml, tools/istio-iptables/pkg/capture/run.go, cni/pkg/nodeagent/net.go.
 */
import { labelOf, type LabelSet, type LabelValue } from "../model/selectors/labels";
import { AddressSet, parseCidr } from "../model/sets/addresses";
import { TrafficSet } from "../model/sets/ports";
import { isUnknown, MAYBE, NO, YES, type Tri } from "../model/unknown";
import type { Bypass, InboundCapture, OutboundCapture, Redirected } from "../model/mesh";

const tcp = TrafficSet.protocol("TCP");
const none = TrafficSet.none();
const all: Redirected = { must: tcp, may: tcp };
const perhaps: Redirected = { must: none, may: tcp };

/** Ports of the proxy and its agent that answer plaintext: merged metrics, health, Envoy's metrics. */
const ownPorts = TrafficSet.ports("TCP", 15021).union(TrafficSet.ports("TCP", 15090));
const statusPort = "15020";
/** TCP that every sidecar's proxy and agent answer without mutual TLS. */
export const proxyPorts = ownPorts.union(TrafficSet.ports("TCP", Number(statusPort)));

const traffic = "traffic.sidecar.istio.io/";
const interception = "sidecar.istio.io/interceptionMode";
const bypassInbound = "ambient.istio.io/bypass-inbound-capture";

/** Whether no annotation is about the mesh. */
function saysNothing({ values, complete, perhaps }: LabelSet): boolean {
  if (!complete || perhaps !== undefined) return false;
  for (const key in values) if (key.includes("istio.io/")) return false;
  return true;
}

const allInbound: InboundCapture = { redirected: all, bypasses: [] };

/** What a sidecar gets of the TCP that is sent to its pod. */
export function sidecarInbound(annotations: LabelSet): InboundCapture {
  if (saysNothing(annotations)) return ownOf(proxyPorts);
  const off = redirectionOff(annotations);
  if (off !== undefined) {
    return { redirected: off.certain ? { must: none, may: none } : perhaps, bypasses: [{ ...off, ports: tcp }] };
  }
  const status = labelOf(annotations, "status.sidecar.istio.io/port") ?? statusPort;
  const proxy = ownPorts.union(portsIn(status) ?? none);
  const included = labelOf(annotations, `${traffic}includeInboundPorts`);
  const excluded = labelOf(annotations, `${traffic}excludeInboundPorts`);
  if (included !== undefined && included !== "*") {
    const ports = portsIn(included);
    const bypass: Bypass = {
      annotation: `${traffic}includeInboundPorts`,
      value: textOf(included),
      ports: tcp.subtract(ports ?? none),
    };
    return { redirected: ports === undefined ? perhaps : { must: ports, may: ports }, bypasses: [bypass] };
  }
  if (excluded === undefined) return ownOf(proxy);
  const ports = portsIn(excluded);
  if (ports === undefined) return { redirected: perhaps, bypasses: [] };
  const redirected = tcp.subtract(ports.union(proxy));
  const bypass: Bypass = { annotation: `${traffic}excludeInboundPorts`, value: textOf(excluded), ports };
  return { redirected: { must: redirected, may: redirected }, bypasses: ports.isEmpty() ? [] : [bypass] };
}

const byOwnPorts = new Map<TrafficSet, InboundCapture>();

function ownOf(proxy: TrafficSet): InboundCapture {
  let known = byOwnPorts.get(proxy);
  if (known === undefined) {
    const redirected = tcp.subtract(proxy);
    byOwnPorts.set(proxy, (known = { redirected: { must: redirected, may: redirected }, bypasses: [] }));
  }
  return known;
}

/** What ztunnel gets of the TCP that is sent to its pod outside the tunnel: all of it, unless an annotation turns it off. */
export function ambientInbound(annotations: LabelSet): InboundCapture {
  const value = labelOf(annotations, bypassInbound);
  if (value === undefined) return allInbound;
  if (isUnknown(value))
    return { redirected: perhaps, bypasses: [{ annotation: bypassInbound, value: "?", ports: tcp }] };
  if (!isTrue(value)) return allInbound;
  return { redirected: { must: none, may: none }, bypasses: [{ annotation: bypassInbound, value, ports: tcp }] };
}

/** Whether plaintext passes ztunnel by. */
export function ztunnelBypassed(annotations: LabelSet): Tri {
  const { redirected } = ambientInbound(annotations);
  return redirected.must === tcp ? NO : redirected.may.isEmpty() ? YES : MAYBE;
}

/** What a sidecar takes of the TCP that its pod sends; nothing where that is all of it. */
export function sidecarOutbound(annotations: LabelSet): OutboundCapture | undefined {
  if (saysNothing(annotations)) return undefined;
  const names = ["includeOutboundPorts", "excludeOutboundPorts", "includeOutboundIPRanges", "excludeOutboundIPRanges"];
  const [includedPorts, excludedPorts, includedRanges, excludedRanges] = names.map((name) =>
    labelOf(annotations, `${traffic}${name}`),
  );
  const off = redirectionOff(annotations);
  const given = names.map((name) => `${traffic}${name}`).filter((key) => labelOf(annotations, key) !== undefined);
  if (off === undefined && given.length === 0) return undefined;
  const ports = [includedPorts, excludedPorts].map((value) => (value === undefined ? none : portsIn(value)));
  const wide = includedRanges === undefined || includedRanges === "*";
  const ranges = [wide ? "" : includedRanges, excludedRanges].map((value) => rangesIn(value ?? ""));
  const unread = [...ports, ...ranges].includes(undefined);
  return {
    off: off?.certain === true ? YES : unread || off !== undefined ? MAYBE : NO,
    includedPorts: ports[0] ?? none,
    excludedPorts: ports[1] ?? none,
    includedRanges: wide ? undefined : (ranges[0] ?? AddressSet.none),
    excludedRanges: ranges[1] ?? AddressSet.none,
    annotations: off === undefined ? given : [off.annotation],
  };
}

/** What turns all redirection off: the mode NONE, or the pod's first interface among those that are left out. */
function redirectionOff(annotations: LabelSet): { annotation: string; value: string; certain: boolean } | undefined {
  const mode = labelOf(annotations, interception);
  if (mode === "NONE") return { annotation: interception, value: mode, certain: true };
  if (isUnknown(mode)) return { annotation: interception, value: "?", certain: false };
  const key = `${traffic}excludeInterfaces`;
  const left = labelOf(annotations, key);
  if (left === undefined) return undefined;
  if (isUnknown(left)) return { annotation: key, value: "?", certain: false };
  const first = left.split(",").some((name) => name.trim() === "eth0");
  return first ? { annotation: key, value: left, certain: true } : undefined;
}

/** Ports as Istio lists them, `8080,9090`; nothing where they are not known, or not ones that the injector accepts. */
function portsIn(value: LabelValue): TrafficSet | undefined {
  if (isUnknown(value)) return undefined;
  const text = value.trim();
  if (text === "") return none;
  let set = none;
  for (const each of text.split(",")) {
    // a comma at the end is accepted by the CNI plugin
    const part = each.trim();
    if (part === "") continue;
    const port = /^\d{1,5}$/.test(part) ? Number(part) : -1;
    if (port < 0 || port > 65535) return undefined;
    if (port > 0) set = set.union(TrafficSet.ports("TCP", port));
  }
  return set;
}

function rangesIn(value: LabelValue): AddressSet | undefined {
  if (isUnknown(value)) return undefined;
  const text = value.trim();
  if (text === "") return AddressSet.none;
  const ranges = text.split(",").map((each) => parseCidr(each.trim()));
  const known = ranges.filter((range) => range !== undefined);
  return known.length === ranges.length ? AddressSet.of(...known) : undefined;
}

function textOf(value: LabelValue): string {
  return isUnknown(value) ? "?" : value;
}

/** Go's strconv.ParseBool. */
function isTrue(value: string): boolean {
  return /^(1|t|T|TRUE|true|True)$/.test(value);
}
