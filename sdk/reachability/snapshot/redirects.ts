/**
 * CiliumLocalRedirectPolicy: what is sent to a Service or an address goes to pods on the client's own node instead.
 * Source: pkg/loadbalancer/redirectpolicy and the CRD of Cilium.
 */
import type { KubeObject, SourcedObject } from "../model/objects";
import type { EnforcerProfile } from "../model/profile";
import type { Redirect, RedirectPort } from "../model/redirects";
import { all, perhaps, test, type Condition } from "../model/selectors/conditions";
import { MAYBE, NO, unknownValue, YES, type Tri } from "../model/unknown";
import { listOf, mapOf } from "../model/plain";

/** The redirects of Cilium's agents; none with another enforcer. */
export function redirectsOf(objects: readonly SourcedObject[], profile: EnforcerProfile): Redirect[] {
  if (!profile.policyApis.includes("cilium")) return [];
  const inForce = profile.localRedirects === undefined ? MAYBE : profile.localRedirects ? YES : NO;
  return objects
    .filter(({ object }) => object.kind === "CiliumLocalRedirectPolicy" && /^cilium\.io\//.test(object.apiVersion))
    .map(({ object }) => redirectOf(object, inForce));
}

function redirectOf(object: KubeObject, inForce: Tri): Redirect {
  const { namespace, name } = object.metadata ?? {};
  const home = typeof namespace === "string" && namespace !== "" ? namespace : "default";
  const spec = mapOf(object.spec);
  const front = mapOf(spec["redirectFrontend"]);
  const byAddress = mapOf(front["addressMatcher"]);
  const byService = mapOf(front["serviceMatcher"]);
  const back = mapOf(spec["redirectBackend"]);
  const ip = byAddress["ip"];
  const service = byService["serviceName"];
  const place = byService["namespace"];
  return {
    namespace: home,
    name: typeof name === "string" ? name : "",
    frontend: {
      ...(typeof ip === "string" ? { address: ip } : {}),
      ...(typeof service === "string"
        ? { service: { name: service, namespace: typeof place === "string" && place !== "" ? place : home } }
        : {}),
      ports: portsIn(typeof ip === "string" ? byAddress["toPorts"] : byService["toPorts"]),
    },
    backend: selectorOf(back["localEndpointSelector"]),
    backendPorts: portsIn(back["toPorts"]),
    inForce,
  };
}

function portsIn(value: unknown): RedirectPort[] {
  return listOf(value).flatMap((entry) => {
    const { port, protocol = "TCP", name } = mapOf(entry);
    const number = Number(port);
    if (!Number.isInteger(number) || number < 1 || number > 65535) return [];
    if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") return [];
    return [{ port: number, protocol, ...(typeof name === "string" && name !== "" ? { name } : {}) }];
  });
}

/** The labels asked for; expressions may select fewer. */
function selectorOf(value: unknown): Condition {
  const { matchLabels, matchExpressions } = mapOf(value);
  const labels = Object.entries(mapOf(matchLabels)).map(([key, wanted]) =>
    test("label", key.replace(/^(k8s|any):/, ""), "in", typeof wanted === "string" ? wanted : unknownValue),
  );
  return listOf(matchExpressions).length > 0 ? all(...labels, perhaps) : all(...labels);
}
