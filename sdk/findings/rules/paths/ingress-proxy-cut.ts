import type { CompiledPolicy, Direction, PeerTerm, PolicyRule, PolicySource, Snapshot } from "../../../reachability";
import { describeRef, isUnknown, namespacesIn, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { installations, settingAt } from "../../installations";
import { mapOf } from "../../plain";
import { policySubject, testsIn } from "../../policy-rules";
import { findingOf } from "../../report";
import { closedBy, partsAboutReserved, reservedIsolators, type ReservedIsolator } from "../../reserved-identities";
import type { Finding, Rule, RuleContext } from "../../types";

/** `NotIn namespaces` also selects what has no namespace: Cilium's proxy for Ingresses and Gateways. */
export const ingressProxyCut: Rule = {
  id: "ingress-proxy-cut",
  title: "Cilium's ingress proxy is isolated",
  severity: "medium",
  why: "A clusterwide deny that also isolates reserved:ingress cuts every Ingress and Gateway that Cilium serves, and no pod's policy shows why.",
  description:
    "No Cilium policy closes the endpoint reserved:ingress, which carries no namespace, in a direction in which no policy " +
    "lets anybody through. Definite where the snapshot shows that Cilium serves Ingresses or Gateways, possible where it " +
    "does not say.",
  remediation:
    "Add `{ key: k8s:io.kubernetes.pod.namespace, operator: Exists }` to the deny's selector, or allow reserved:ingress " +
    "from those who may come in and to the pods that it serves.",
  controls: [controls.nistMonitoring, controls.pciServicesApproved],
  check: checkProxy,
};

/** The policies that isolate Cilium's proxy for egress. */
export function egressIsolatorsOfProxy(snapshot: Snapshot): PolicySource[] {
  return partsAboutReserved(snapshot, "ingress")
    .filter(({ parts }) => parts.some((part) => part.egress?.isolates === 2))
    .map(({ origin }) => origin);
}

/** The policies that cut Cilium's proxy from everybody. */
export function proxyIsolators(snapshot: Snapshot): readonly ReservedIsolator[] {
  return reservedIsolators(snapshot, "ingress", letsThrough);
}

function* checkProxy(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  if (!snapshot.profile.servesIngress) return;
  const served = usesProxy(snapshot);
  if (served === "no") return;
  const closing = proxyIsolators(snapshot);
  const [first] = closing;
  if (first === undefined) return;
  yield findingOf(ingressProxyCut, {
    subject: policySubject(first.origin),
    certainty: served === "yes" ? "definite" : "possible",
    message: `Cilium's ingress proxy is ${served === "yes" ? "" : "possibly "}closed for ${closedBy(closing).join(" and ")}`,
    because: [
      ...closing.map(({ origin, closed }) => `${describeRef(origin)} selects it and closes ${closed.join(" and ")}`),
      "a selector without Exists for the namespace also fits reserved:ingress, and no policy lets clients in there or the way to the backends out",
      ...(served === "yes" ? [] : ["whether Cilium serves Ingresses or Gateways is not known here"]),
    ],
    causes: closing.map(({ origin }) => origin.source),
  });
}

/** Whether a part lets clients in, or the way to backends out: scrapers by name and DNS alone are neither. */
function letsThrough(part: CompiledPolicy, direction: Direction): boolean {
  return (part[direction]?.rules ?? []).some((rule) => {
    if (rule.verdict !== "allow") return false;
    if (direction === "egress") return rule.peers.length > 0 && !isDnsAlone(rule) && !rule.peers.every(isDnsPeer);
    return rule.peers.some((peer) => {
      if (peer.kind === "entity") return peer.entity !== "none";
      return !((peer.kind === "pods" || peer.kind === "identities") && namespacesIn(peer.where) !== undefined);
    });
  });
}

/** The pods of the cluster's DNS, by the label that every installer gives them. */
function isDnsPeer(peer: PeerTerm): boolean {
  return (
    (peer.kind === "pods" || peer.kind === "identities") &&
    testsIn(peer.where).some(({ key, values }) => key === "k8s-app" && values.includes("kube-dns"))
  );
}

function isDnsAlone({ l4 }: PolicyRule): boolean {
  const dns = TrafficSet.ports("TCP", 53).union(TrafficSet.ports("UDP", 53));
  return l4.named.length === 0 && l4.may.subtract(dns).isEmpty();
}

const valuesPaths = ["gatewayAPI.enabled", "ingressController.enabled"];
const agentKeys = ["enable-gateway-api", "enable-ingress-controller"];

/** Whether Cilium serves Ingresses or Gateways, as far as classes, objects and its own settings say. */
function usesProxy(snapshot: Snapshot): "yes" | "no" | "unknown" {
  for (const { object } of snapshot.others) {
    const spec = mapOf(object.spec);
    const named: unknown[] = [
      spec["controllerName"],
      spec["controller"],
      spec["gatewayClassName"],
      spec["ingressClassName"],
    ];
    const isEntrance = /^(Gateway|GatewayClass|Ingress|IngressClass)$/.test(object.kind);
    if (isEntrance && named.some((name) => typeof name === "string" && ciliumNames.has(name))) return "yes";
  }
  const cilium = installations(snapshot).filter(({ product }) => product === "cilium");
  const stated = cilium.flatMap(({ form, settings }) => {
    if (form === "values") return valuesPaths.map((path) => settingAt(settings, path));
    // what is left of a release here is an excerpt, which says nothing about what it leaves out
    const values = agentKeys.map((key) => settingAt(settings, key));
    return values.every((value) => value === undefined) ? ["not said"] : values;
  });
  if (stated.some((value) => value === true || value === "true")) return "yes";
  if (stated.length === 0 || stated.some((value) => isUnknown(value) || value === "not said")) return "unknown";
  return "no";
}

const ciliumNames = new Set(["cilium", "io.cilium/gateway-controller", "cilium.io/ingress-controller"]);
