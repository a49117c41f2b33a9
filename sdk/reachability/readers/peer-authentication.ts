/**
 * Istio's PeerAuthentication (security.istio.io/v1, v1beta1): whether peers without mutual TLS may connect.
 * Source: pilot/pkg/security/authn/policy_applier.go, pilot/pkg/model/authentication.go. Gateways do not look at it: what they
 * accept is up to their Gateway objects.
 */
import type { CompiledPolicy, PeerTerm, Rule } from "../model/rules";
import { tiers } from "../model/rules";
import { all, inNamespace, not, perhaps, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import type { PolicySource } from "../model/policy-source";
import { TrafficSet } from "../model/sets/ports";
import type { MeshMode } from "../model/mesh";
import { isUnknown, MAYBE, NO } from "../model/unknown";
import { Refused, uncertainPolicy, type ReaderContext } from "./common";
import { isAnnotated } from "./dry-run";
import { onlyFields, readMap, readString, type ObjectReader } from "./fields";
import { inMesh, readWorkloadSelector } from "./istio";
import { refused } from "./istio-clauses";
import { refusedByZtunnel, type ModesAbove, type MtlsMode } from "./ztunnel-mtls";
import { mapOf } from "../model/plain";

/** A PeerAuthentication as it is in the snapshot. */
export interface PeerAuthentication {
  readonly origin: PolicySource;
  readonly namespace: LabelValue;
  readonly reader: ObjectReader;
}

const tcp = TrafficSet.protocol("TCP");
/** Peers that have no identity in the mesh. */
const plaintext: PeerTerm = { kind: "not", of: { kind: "identities", where: inMesh() } };
const anybody: PeerTerm = { kind: "any" };
const judged: readonly MeshMode[] = ["sidecar", "ambient"];

const modes: readonly MtlsMode[] = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];

/** Level of a policy: that of the workload, the namespace's, the mesh's. */
type Level = 0 | 1 | 2;

interface Read {
  readonly policy: PeerAuthentication;
  readonly level: Level;
  readonly where: Condition;
  readonly mode: MtlsMode;
  readonly ports: readonly { readonly port: number; readonly mode: MtlsMode; readonly path: string }[];
}

/**
 * Of each level the oldest policy counts: a policy with a selector (outside the root namespace) before the namespace's own,
 * that before the mesh's (root namespace). What one leaves UNSET the next decides; without any, plaintext is accepted.
 */
export function readPeerAuthentications(
  found: readonly PeerAuthentication[],
  context: ReaderContext,
): CompiledPolicy[] {
  const root = context.profile.meshRootNamespace;
  const result: CompiledPolicy[] = [];
  const levels = new LevelModes(found, root);
  const earlier: Read[] = [];
  for (const policy of [...found].sort(byAge)) {
    const { origin, namespace, reader } = policy;
    const reach = all(inMesh(...judged), inNamespace(namespace));
    result.push(
      ...reader.attempt<CompiledPolicy[]>(
        () => {
          const read = readOne(policy, root, reach);
          if (read === undefined) return [];
          const older = earlier.filter((each) => each.level === read.level);
          earlier.push(read);
          const compiled = (mode: MeshMode, before: readonly Read[], rules: readonly Rule[]): CompiledPolicy => ({
            origin,
            tier: tiers.meshTransport,
            order: read.level,
            subject: { kind: "pods", where: all(read.where, ...before.map((each) => not(each.where)), inMesh(mode)) },
            ingress: { isolates: NO, rules },
          });
          const sidecars = compiled("sidecar", older, rulesOf(read));
          if (!isToldToZtunnel(read)) return [sidecars];
          return [sidecars, compiled("ambient", older.filter(isToldToZtunnel), ambientRules(read, levels))];
        },
        () => {
          const { egress: _egress, ...uncertain } = uncertainPolicy(
            origin,
            namespace === root ? inMesh(...judged) : reach,
            tiers.meshTransport,
            true,
          );
          return [{ ...uncertain, ingress: { isolates: MAYBE, rules: [] } }];
        },
      ),
    );
  }
  return result;
}

/** A policy's content; nothing where it has no effect, which is then said. */
function readOne(policy: PeerAuthentication, root: string, reach: Condition): Read | undefined {
  const { origin, namespace, reader } = policy;
  try {
    const spec = readMap(origin.object.spec, "spec") ?? {};
    onlyFields(spec, "spec", ["selector", "mtls", "portLevelMtls"]);
    if (isAnnotated(origin.object)) throw refused("istio.io/dry-run is for AuthorizationPolicies only");
    const mode = readMode(spec["mtls"], "spec.mtls");
    const ports = readPorts(spec["portLevelMtls"]);
    const labels = readMap(
      (readMap(spec["selector"], "spec.selector") ?? {})["matchLabels"],
      "spec.selector.matchLabels",
    );
    const selects = Object.keys(labels ?? {}).length > 0;
    const selected = readWorkloadSelector(spec, reader);
    // the webhook refuses it; an istiod without its webhook enforces the rest
    const doubtful = !selects && ports !== undefined && ports.length > 0;
    if (doubtful) {
      const message = "portLevelMtls needs a selector: istiod refuses it on a policy of the namespace or the mesh";
      reader.report("invalid-value", message, "spec.portLevelMtls", true);
    }
    if (selects && namespace === root) {
      const message = "a PeerAuthentication with a selector has no effect in the root namespace";
      reader.notEnforced(message, "spec.selector");
      return undefined;
    }
    const level: Level = selects ? 0 : namespace === root ? 2 : 1;
    const place = level === 2 ? inMesh(...judged) : reach;
    const where = doubtful || reader.invalid ? all(place, perhaps) : all(place, selected);
    return { policy, level, where, mode, ports: doubtful ? [] : (ports ?? []) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    reader.notEnforced(error.reason, "spec", error.message);
    return undefined;
  }
}

/** Of the mesh's own istiod looks for those without any selector when it tells ztunnel (fetchPeerAuthentications). */
function isToldToZtunnel({ level, policy }: Read): boolean {
  return level !== 2 || !hasSelector(policy.origin.object.spec);
}

/** Whether a selector is given, be it an empty one. */
function hasSelector(spec: unknown): boolean {
  const selector = mapOf(spec)["selector"];
  return selector !== undefined && selector !== null;
}

function byAge(a: PeerAuthentication, b: PeerAuthentication): number {
  const age = (each: PeerAuthentication): string => each.origin.object.metadata?.creationTimestamp ?? "9999";
  const name = (each: PeerAuthentication): string => each.origin.name;
  return age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0;
}

function readPorts(value: unknown): Read["ports"] | undefined {
  const ports = readMap(value, "spec.portLevelMtls");
  if (ports === undefined) return undefined;
  const entries = Object.entries(ports);
  if (entries.length === 0) throw refused("spec.portLevelMtls is empty");
  return entries.map(([text, mtls]) => {
    const path = `spec.portLevelMtls[${text}]`;
    const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > 65535) throw refused(`${path} is no port`);
    return { port, mode: readMode(mtls, path), path };
  });
}

function readMode(value: unknown, path: string): MtlsMode {
  const mtls = readMap(value, path) ?? {};
  onlyFields(mtls, path, ["mode"]);
  const text = readString(mtls["mode"], `${path}.mode`) ?? "UNSET";
  const mode = modes.find((each) => each === text);
  if (mode === undefined) throw refused(`${path}.mode must be UNSET, DISABLE, PERMISSIVE or STRICT`);
  return mode;
}

function rulesOf({ mode, ports }: Read): Rule[] {
  return [
    ...ports.flatMap((each) => modeRules(each.mode, each.path, TrafficSet.ports("TCP", each.port))),
    ...modeRules(mode, "spec.mtls", tcp),
  ];
}

/** What istiod tells ztunnel: a policy with ports of its own decides alone, one without leaves UNSET to the next level. */
function ambientRules(read: Read, levels: LevelModes): Rule[] {
  const { mode, ports, policy } = read;
  if (ports.length === 0) return rulesOf(read);
  const refusals = levels.above(policy.namespace).map((above) => refusedByZtunnel(mode, ports, above));
  const must = refusals.reduce((a, b) => a.intersect(b), tcp);
  const may = refusals.reduce((a, b) => a.union(b), TrafficSet.none());
  const open = ports.filter((each) => !may.contains("TCP", each.port));
  const rest: Rule = { ...passAll, path: "spec.mtls" };
  return [
    ...open.map((each): Rule => {
      const only = TrafficSet.ports("TCP", each.port);
      return { ...passAll, l4: { must: only, may: only, named: [] }, path: each.path };
    }),
    ...(may.isEmpty() ? [] : [{ ...rest, verdict: "deny" as const, peers: [plaintext], l4: { must, may, named: [] } }]),
    rest,
  ];
}

const passAll: Omit<Rule, "path"> = {
  direction: "ingress",
  verdict: "pass",
  peers: [anybody],
  l4: { must: tcp, may: tcp, named: [] },
};

/** The modes of namespaces and of the mesh, as far as they are known. */
class LevelModes {
  readonly #found: readonly { readonly namespace: LabelValue; readonly mode: MtlsMode | undefined }[];

  constructor(
    found: readonly PeerAuthentication[],
    private readonly root: string,
  ) {
    this.#found = [...found].sort(byAge).flatMap(({ namespace, origin }) => {
      const spec = mapOf(origin.object.spec);
      if (namespace === root && hasSelector(spec)) return [];
      if (Object.keys(mapOf(mapOf(spec["selector"])["matchLabels"])).length > 0) return [];
      const mode = mapOf(spec["mtls"])["mode"] ?? "UNSET";
      // one that is not known, or unreadable, may be any
      return [{ namespace, mode: modes.find((each) => each === mode) }];
    });
  }

  /** What may be above a policy of a namespace; one possibility where everything is known. */
  above(namespace: LabelValue): readonly ModesAbove[] {
    return this.#of(namespace).flatMap((own) => this.#of(this.root).map((mesh) => ({ namespace: own, mesh })));
  }

  /** The oldest policy of a namespace counts. */
  #of(namespace: LabelValue): readonly (MtlsMode | undefined)[] {
    if (isUnknown(namespace)) return [undefined, ...modes];
    const own = this.#found.find((each) => each.namespace === namespace);
    const stray = this.#found.some((each) => isUnknown(each.namespace));
    const known = own === undefined ? [undefined] : own.mode === undefined ? modes : [own.mode];
    return stray ? [undefined, ...modes] : known;
  }
}

/** STRICT denies plaintext; PERMISSIVE and DISABLE let it pass, whatever the next level says; UNSET says nothing. */
function modeRules(mode: MtlsMode, path: string, ports: TrafficSet): Rule[] {
  const rule = (verdict: Rule["verdict"], peer: PeerTerm): Rule => ({
    direction: "ingress",
    verdict,
    peers: [peer],
    l4: { must: ports, may: ports, named: [] },
    path,
    ...(mode === "DISABLE" ? { plaintext: true } : {}),
  });
  if (mode === "UNSET") return [];
  return mode === "STRICT" ? [rule("deny", plaintext), rule("pass", anybody)] : [rule("pass", anybody)];
}
