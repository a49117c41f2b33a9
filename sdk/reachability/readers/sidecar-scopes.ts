/**
 * Istio's Sidecar: which of the mesh's services the proxies of some pods know, and what becomes of connections to anything else.
 * Source: istio pilot/pkg/model/sidecar.go, push_context.go (initSidecarScopes, doGetSidecarScope).
 */
import type { PolicySource } from "../model/policy-source";
import type { SourcedObject } from "../model/objects";
import { listOf, mapOf } from "../model/plain";
import { all, inNamespace, not, perhaps, test, type Condition } from "../model/selectors/conditions";
import { isUnknown, MAYBE, NO, tri, triOr, unknownValue, YES, type Tri } from "../model/unknown";
import { meshConfigOf } from "./mesh-config";

/** One of `egress[].hosts`, `namespace/name`. */
interface HostRef {
  /** A namespace, `*`, or `.` for the client's own. */
  readonly namespace: string;
  /** A name, or a pattern that begins with `*`. */
  readonly name: string;
  /** What the other hosts name is left out again. */
  readonly excluded: boolean;
}

/** One of `egress`. */
interface EgressListener {
  readonly hosts: readonly HostRef[];
  /** The one port of services that it is about; nothing for all. */
  readonly port: number | undefined;
  /** Some host is not known. */
  readonly doubtful: boolean;
}

/** What the proxies of some pods are told. */
export interface SidecarScope {
  readonly origin: PolicySource;
  /** Path of what decides about everything else. */
  readonly path: string;
  /** The clients; who has no sidecar is none. */
  readonly where: Condition;
  /** Their namespace, which `.` stands for; nothing where it is that of each of them. */
  readonly namespace: string | undefined;
  readonly listeners: readonly EgressListener[];
  /** Connections to what the proxy does not know go nowhere. */
  readonly registryOnly: Tri;
}

const everything: readonly EgressListener[] = [
  { hosts: [{ namespace: "*", name: "*", excluded: false }], port: undefined, doubtful: false },
];

interface Sidecar {
  readonly origin: PolicySource;
  readonly namespace: string;
  readonly selector: Condition | undefined;
  readonly listeners: readonly EgressListener[];
  readonly mode: Tri | undefined;
  readonly created: string;
}

/**
 * The scopes of a mesh. A pod's is the oldest Sidecar of its namespace whose selector fits, else the oldest one of the
 * namespace without a selector, else that of the root namespace, else the mesh's own configuration.
 */
export function sidecarScopesOf(objects: readonly SourcedObject[], rootNamespace: string): readonly SidecarScope[] {
  const mesh = meshWide(objects);
  const sidecars = objects
    .flatMap(sidecarOf)
    .sort((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : 0));
  const ordered = [
    ...sidecars.filter((each) => each.selector !== undefined),
    ...sidecars.filter((each) => each.selector === undefined),
  ];
  const earlier = new Map<string, Condition[]>();
  const scopes = ordered.map((sidecar): SidecarScope => {
    const before = earlier.get(sidecar.namespace) ?? [];
    const own = all(inNamespace(sidecar.namespace), sidecar.selector ?? all());
    earlier.set(sidecar.namespace, [...before, own]);
    return {
      origin: sidecar.origin,
      path: sidecar.mode === undefined ? "spec.egress" : "spec.outboundTrafficPolicy",
      where: all(own, ...before.map(not)),
      namespace: sidecar.namespace,
      listeners: sidecar.listeners,
      registryOnly: sidecar.mode ?? mesh?.registryOnly ?? NO,
    };
  });
  const rest = all(...[...earlier.values()].flat().map(not));
  const ofRoot = ordered.find(({ namespace, selector }) => namespace === rootNamespace && selector === undefined);
  if (ofRoot !== undefined) {
    const registryOnly = ofRoot.mode ?? mesh?.registryOnly ?? NO;
    const path = ofRoot.mode === undefined ? "spec.egress" : "spec.outboundTrafficPolicy";
    return [
      ...scopes,
      { origin: ofRoot.origin, path, where: rest, namespace: undefined, listeners: ofRoot.listeners, registryOnly },
    ];
  }
  if (mesh === undefined || mesh.registryOnly === NO) return scopes;
  return [...scopes, { ...mesh, where: rest, namespace: undefined, listeners: everything }];
}

/**
 * Whether the proxies of a scope know a name of the mesh on a port, where that is known. `client` is the namespace of one of
 * them, where known.
 */
export function knows(
  { listeners, namespace = undefined }: Pick<SidecarScope, "listeners" | "namespace">,
  client: string | undefined,
  target: { readonly namespace: string; readonly host: string },
  port: number | undefined,
): Tri {
  const own = namespace ?? client;
  const fits = ({ namespace: place, name }: HostRef): Tri => {
    if (!isSubset(target.host, name)) return NO;
    if (place === "*") return YES;
    if (place !== ".") return tri(place === target.namespace);
    return own === undefined ? MAYBE : tri(own === target.namespace);
  };
  return listeners.reduce<Tri>((result, listener) => {
    if (listener.port !== undefined && port !== undefined && listener.port !== port) return result;
    const out = listener.hosts
      .filter(({ excluded }) => excluded)
      .reduce<Tri>((sum, each) => triOr(sum, fits(each)), NO);
    const named = listener.hosts
      .filter(({ excluded }) => !excluded)
      .reduce<Tri>((sum, each) => triOr(sum, fits(each)), NO);
    const inside = out === YES ? NO : out === MAYBE && named !== NO ? MAYBE : named;
    return triOr(result, listener.doubtful && inside !== NO ? MAYBE : inside);
  }, NO);
}

/** Whether a scope names services differently for clients of different namespaces. */
export function dependsOnClient({ listeners }: SidecarScope): boolean {
  return listeners.some(({ hosts }) => hosts.some(({ namespace }) => namespace === "."));
}

/** Whether all that a name or pattern stands for fits a pattern. */
function isSubset(host: string, pattern: string): boolean {
  if (!pattern.startsWith("*")) return host === pattern;
  return (host.startsWith("*") ? host.slice(1) : host).endsWith(pattern.slice(1));
}

function sidecarOf(sourced: SourcedObject): Sidecar[] {
  const { object } = sourced;
  if (object.kind !== "Sidecar" || !object.apiVersion.startsWith("networking.istio.io/")) return [];
  const spec = mapOf(object.spec);
  const selector = spec["workloadSelector"];
  const labels = Object.entries(mapOf(mapOf(selector)["labels"]));
  const namespace = textOf(object.metadata?.namespace) ?? "default";
  const egress = listOf(spec["egress"]);
  return [
    {
      origin: originOf(sourced, namespace),
      namespace,
      selector:
        selector === undefined || selector === null
          ? undefined
          : isUnknown(selector)
            ? perhaps
            : all(...labels.map(([key, value]) => test("label", key, "in", textOf(value) ?? unknownValue))),
      listeners:
        egress.length === 0 && !isUnknown(spec["egress"])
          ? everything
          : isUnknown(spec["egress"])
            ? doubtful
            : egress.map(listenerOf),
      mode: modeIn(spec["outboundTrafficPolicy"], "REGISTRY_ONLY"),
      created: textOf(object.metadata?.creationTimestamp) ?? "9999",
    },
  ];
}

const doubtful: readonly EgressListener[] = everything.map((listener) => ({ ...listener, doubtful: true }));

function listenerOf(value: unknown): EgressListener {
  const fields = mapOf(value);
  const port = mapOf(fields["port"]);
  const number = port["number"];
  const hosts = listOf(fields["hosts"]).map((each) =>
    typeof each === "string" && !isUnknown(each) ? hostRef(each) : undefined,
  );
  const known = hosts.filter((each) => each !== undefined);
  // one that is bound to an address, or does not capture, has to be dialled itself
  const apart = fields["captureMode"] === "NONE" || textOf(fields["bind"]) !== undefined;
  const proxy = port["protocol"] === "HTTP_PROXY";
  return {
    hosts: known,
    port: typeof number === "number" && !proxy ? number : undefined,
    doubtful:
      apart ||
      proxy ||
      isUnknown(value) ||
      known.length < hosts.length ||
      (number !== undefined && typeof number !== "number"),
  };
}

/** `namespace/name`; `~namespace/name` and `~/name` leave out. Others are ignored by istiod. */
function hostRef(text: string): HostRef {
  const [place = "", name = "", ...more] = text.split("/");
  if (more.length > 0 || name === "") return { namespace: "~", name: "", excluded: false };
  if (!place.startsWith("~")) return { namespace: place, name, excluded: false };
  return { namespace: place.slice(1) === "" ? "*" : place.slice(1), name, excluded: true };
}

/** Whether a policy is REGISTRY_ONLY; nothing where there is none. */
function modeIn(value: unknown, unset: "REGISTRY_ONLY" | "ALLOW_ANY"): Tri | undefined {
  if (value === undefined || value === null) return undefined;
  if (isUnknown(value)) return MAYBE;
  const mode = mapOf(value)["mode"] ?? unset;
  return isUnknown(mode) ? MAYBE : tri(mode === "REGISTRY_ONLY");
}

/** What the mesh's configuration says; perhaps where several say different things, as those of revisions may. */
function meshWide(
  objects: readonly SourcedObject[],
): { origin: PolicySource; path: string; registryOnly: Tri } | undefined {
  const found = objects.flatMap((sourced) => {
    const config = meshConfigOf(sourced.object);
    if (config === undefined) return [];
    const registryOnly = modeIn(config["outboundTrafficPolicy"], "ALLOW_ANY") ?? NO;
    const { kind, metadata } = sourced.object;
    const path = kind === "ConfigMap" ? "data.mesh" : "spec";
    return [{ origin: originOf(sourced, textOf(metadata?.namespace)), path, registryOnly }];
  });
  const closing = found.find(({ registryOnly }) => registryOnly !== NO);
  if (closing === undefined) return undefined;
  return found.every(({ registryOnly }) => registryOnly === YES) ? closing : { ...closing, registryOnly: MAYBE };
}

function originOf({ object, source }: SourcedObject, namespace: string | undefined): PolicySource {
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name: textOf(object.metadata?.name) ?? "(unknown)",
    ...(namespace === undefined ? {} : { namespace }),
    dialect: "istio",
    object,
    ...(source === undefined ? {} : { source }),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}
