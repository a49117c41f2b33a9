/** Services and DestinationRules as a client's proxy knows them. */
import type { SourcedObject } from "../model/objects";
import { all, evaluate, test, type Condition, type Lookup } from "../model/selectors/conditions";
import { parseAddress, type Address } from "../model/sets/addresses";
import { isUnknown, NO, unknownValue, type Tri } from "../model/unknown";
import { listOf, mapOf, type Fields } from "../model/plain";

interface MeshServicePort {
  readonly port: number;
  /** The pod's port, or its name; the Service's own where nothing is written. */
  readonly target: number | string;
  /** The application protocol: `appProtocol`, or the first part of the port's name. */
  readonly protocol: string | undefined;
}

export interface MeshService {
  readonly namespace: string;
  readonly name: string;
  readonly where: Condition;
  /** Nothing where they are not known or the Service has none of its own (headless). */
  readonly addresses: readonly Address[] | undefined;
  readonly headless: boolean;
  readonly ports: readonly MeshServicePort[];
}

/** How a DestinationRule has clients connect to a port of a Service. */
export type ClientTls = "mutual" | "plaintext" | "unknown";

interface DestinationRule {
  readonly namespace: string;
  readonly host: string;
  readonly exportTo: readonly string[];
  readonly selector: Condition;
  readonly spec: Fields;
}

/** The client of a connection, as far as DestinationRules ask for it. */
export interface MeshClient {
  readonly namespace: string;
  readonly lookup: Lookup;
}

export class MeshServices {
  readonly services: readonly MeshService[];
  readonly #rules: readonly DestinationRule[];

  constructor(
    objects: readonly SourcedObject[],
    private readonly rootNamespace: string,
    /** Clients find out by themselves where they send mutual TLS (MeshConfig `enableAutoMtls`). */
    private readonly autoMtls: boolean,
  ) {
    this.services = objects.flatMap(({ object }) =>
      object.kind === "Service" && object.apiVersion === "v1" ? serviceOf(object) : [],
    );
    this.#rules = objects.flatMap(({ object }) =>
      object.kind === "DestinationRule" && object.apiVersion.startsWith("networking.istio.io/") ? ruleOf(object) : [],
    );
  }

  /** Whether it depends on the destination's Service how a client connects: by DestinationRules, or by their absence. */
  get hasRules(): boolean {
    return this.#rules.length > 0 || !this.autoMtls;
  }

  /** How clients connect to what no Service leads to. */
  get directTls(): ClientTls | undefined {
    return this.autoMtls ? undefined : "plaintext";
  }

  /** The Services that select a pod, each with how certain that is. */
  of(lookup: Lookup): { readonly service: MeshService; readonly selected: Tri }[] {
    return this.services.flatMap((service) => {
      const selected = evaluate(service.where, lookup);
      return selected === NO ? [] : [{ service, selected }];
    });
  }

  /**
   * What the DestinationRule for a Service's port says: that of the client's namespace before the Service's, that before
   * the root namespace's (istio pilot/pkg/model/push_context.go, destinationRule); nothing where none does.
   */
  clientTls(client: MeshClient, service: MeshService, port: number): ClientTls | undefined {
    const host = `${service.namespace}`;
    for (const place of [client.namespace, host, this.rootNamespace]) {
      const found = this.#rules
        .filter(
          (rule) =>
            rule.namespace === place &&
            isExported(rule, client.namespace) &&
            fits(rule.host, `${service.name}.${service.namespace}.svc.cluster.local`) &&
            evaluate(rule.selector, client.lookup) !== NO,
        )
        .sort((a, b) => specificity(b.host) - specificity(a.host));
      const [first] = found;
      if (first !== undefined) return tlsOf(first.spec, port) ?? this.directTls;
    }
    return this.directTls;
  }
}

function isExported(rule: DestinationRule, client: string): boolean {
  if (rule.exportTo.length === 0 || rule.exportTo.includes("*")) return true;
  return rule.exportTo.includes(client) || (rule.exportTo.includes(".") && rule.namespace === client);
}

function fits(pattern: string, host: string): boolean {
  return pattern.startsWith("*") ? host.endsWith(pattern.slice(1)) : pattern === host;
}

/** Exact names before patterns, longer patterns before shorter. */
function specificity(host: string): number {
  return host.startsWith("*") ? host.length : 1000;
}

function tlsOf(spec: Fields, port: number): ClientTls | undefined {
  const policy = mapOf(spec["trafficPolicy"]);
  const own = tlsOfPolicy(policy, port);
  // a route may choose a subset, which has a policy of its own
  const subsets = listOf(spec["subsets"]).map((subset) => tlsOfPolicy(mapOf(mapOf(subset)["trafficPolicy"]), port));
  return subsets.some((mode) => mode !== undefined && mode !== own) ? "unknown" : own;
}

function tlsOfPolicy(policy: Fields, port: number): ClientTls | undefined {
  let tls = policy["tls"];
  for (const each of listOf(policy["portLevelSettings"]).map(mapOf)) {
    if (mapOf(each["port"])["number"] === port && each["tls"] !== undefined) tls = each["tls"];
  }
  if (tls === undefined || tls === null) return undefined;
  const mode = mapOf(tls)["mode"] ?? "DISABLE";
  if (typeof mode !== "string" || isUnknown(mode)) return "unknown";
  // SIMPLE and MUTUAL bring a certificate of the client's own, if any: no identity of the mesh
  return mode === "ISTIO_MUTUAL" ? "mutual" : "plaintext";
}

function serviceOf(object: SourcedObject["object"]): MeshService[] {
  const spec = mapOf(object.spec);
  const selector = Object.entries(mapOf(spec["selector"]));
  if (selector.length === 0) return [];
  const namespace = textOf(object.metadata?.namespace) ?? "default";
  const clusterIp = spec["clusterIP"];
  const addresses = [clusterIp, ...listOf(spec["clusterIPs"]), ...listOf(spec["externalIPs"])]
    .map((text) => (typeof text === "string" ? parseAddress(text) : undefined))
    .filter((address) => address !== undefined);
  return [
    {
      namespace,
      name: textOf(object.metadata?.name) ?? "(unknown)",
      where: all(
        test("namespace", "", "in", namespace),
        ...selector.map(([key, value]) => test("label", key, "in", textOf(value) ?? unknownValue)),
      ),
      addresses: addresses.length === 0 ? undefined : addresses,
      headless: clusterIp === "None",
      ports: listOf(spec["ports"]).map(mapOf).flatMap(portOf),
    },
  ];
}

function portOf(fields: Fields): MeshServicePort[] {
  const port = fields["port"];
  const protocol = fields["protocol"] ?? "TCP";
  if (typeof port !== "number" || protocol !== "TCP") return [];
  const target = fields["targetPort"];
  const own = typeof target === "number" && target > 0 ? target : typeof target === "string" ? numeric(target) : port;
  const name = textOf(fields["appProtocol"]) ?? textOf(fields["name"]);
  return [{ port, target: own, protocol: name }];
}

function numeric(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function ruleOf(object: SourcedObject["object"]): DestinationRule[] {
  const spec = mapOf(object.spec);
  const namespace = textOf(object.metadata?.namespace) ?? "default";
  const host = textOf(spec["host"]);
  if (host === undefined) return [];
  const labels = Object.entries(mapOf(mapOf(spec["workloadSelector"])["matchLabels"]));
  return [
    {
      namespace,
      // only a name without a dot is completed (ResolveShortnameToFQDN)
      host: host.includes(".") || host.startsWith("*") ? host : `${host}.${namespace}.svc.cluster.local`,
      exportTo: listOf(spec["exportTo"]).flatMap((each) => textOf(each) ?? []),
      selector: all(...labels.map(([key, value]) => test("label", key, "in", textOf(value) ?? unknownValue))),
      spec,
    },
  ];
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}
