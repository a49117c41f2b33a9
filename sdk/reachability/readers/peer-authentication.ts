/**
 * Istio's PeerAuthentication (security.istio.io/v1, v1beta1): whether peers without mutual TLS may connect.
 * Source: pilot/pkg/security/authn/policy_applier.go, pilot/pkg/model/authentication.go; for
 * ztunnel pilot/pkg/serviceregistry/ambient/authorization.go (convertedSelectorPeerAuthentications). Gateways do not look at
 * it: what they accept is up to their Gateway objects.
 */
import type { CompiledPolicy, PeerTerm, Rule } from "../model/rules";
import { tiers } from "../model/rules";
import { all, inNamespace, not, perhaps, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import type { PolicySource } from "../model/policy-source";
import { TrafficSet } from "../model/sets/ports";
import type { MeshMode } from "../model/mesh";
import { MAYBE, NO } from "../model/unknown";
import { Refused, uncertainPolicy, type ReaderContext } from "./common";
import { onlyFields, readMap, readString, type ObjectReader } from "./fields";
import { inMesh, readWorkloadSelector } from "./istio";
import { refused } from "./istio-clauses";

/** A PeerAuthentication as it stands in the snapshot. */
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

const modes = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"] as const;
type Mode = (typeof modes)[number];

/** Level of a policy: that of the workload, the namespace's, the mesh's. */
type Level = 0 | 1 | 2;

interface Read {
  readonly policy: PeerAuthentication;
  readonly level: Level;
  readonly where: Condition;
  readonly mode: Mode;
  readonly ports: readonly { readonly port: number; readonly mode: Mode; readonly path: string }[];
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
          const where = all(read.where, ...older.map((each) => not(each.where)));
          const compiled = (mode: MeshMode, rules: readonly Rule[]): CompiledPolicy => ({
            origin,
            tier: tiers.meshTransport,
            order: read.level,
            subject: { kind: "pods", where: all(where, inMesh(mode)) },
            ingress: { isolates: NO, rules },
          });
          return [
            compiled("sidecar", rulesOf(read, read.ports)),
            compiled("ambient", rulesOf(read, portsForZtunnel(read))),
          ];
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
      reader.report("not-enforced", message, "spec.selector", false);
      return undefined;
    }
    const level: Level = selects ? 0 : namespace === root ? 2 : 1;
    const place = level === 2 ? inMesh(...judged) : reach;
    const where = doubtful ? all(place, perhaps) : all(place, selected);
    return { policy, level, where, mode, ports: doubtful ? [] : (ports ?? []) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    reader.report("not-enforced", error.message, "spec", false);
    return undefined;
  }
}

function byAge(a: PeerAuthentication, b: PeerAuthentication): number {
  const age = (each: PeerAuthentication): string => each.origin.object.metadata?.creationTimestamp ?? "9999";
  const name = (each: PeerAuthentication): string => each.origin.name;
  return age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0;
}

function readPorts(value: unknown): Read["ports"] | undefined {
  const ports = readMap(value, "spec.portLevelMtls");
  if (ports === undefined) return undefined;
  return Object.entries(ports).map(([text, mtls]) => {
    const path = `spec.portLevelMtls[${text}]`;
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port < 1 || port > 65535) throw refused(`${path} is no port`);
    return { port, mode: readMode(mtls, path), path };
  });
}

function readMode(value: unknown, path: string): Mode {
  const mtls = readMap(value, path) ?? {};
  onlyFields(mtls, path, ["mode"]);
  const text = readString(mtls["mode"], `${path}.mode`) ?? "UNSET";
  const mode = modes.find((each) => each === text);
  if (mode === undefined) throw refused(`${path}.mode must be UNSET, DISABLE, PERMISSIVE or STRICT`);
  return mode;
}

/**
 * The ports that ztunnel hears of: where the workload's own mode is UNSET, exceptions from an inherited STRICT are passed on
 * only if one of them is PERMISSIVE. DISABLE alone is none.
 */
function portsForZtunnel({ mode, ports }: Read): Read["ports"] {
  const heard = mode !== "UNSET" || ports.some((each) => each.mode === "PERMISSIVE");
  return heard ? ports : ports.filter((each) => each.mode !== "DISABLE");
}

function rulesOf({ mode }: Read, ports: Read["ports"]): Rule[] {
  return [
    ...ports.flatMap((each) => modeRules(each.mode, each.path, TrafficSet.ports("TCP", each.port))),
    ...modeRules(mode, "spec.mtls", tcp),
  ];
}

/** STRICT denies plaintext; PERMISSIVE and DISABLE let it pass, whatever the next level says; UNSET says nothing. */
function modeRules(mode: Mode, path: string, ports: TrafficSet): Rule[] {
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
