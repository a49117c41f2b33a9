/**
 * Istio's PeerAuthentication (security.istio.io/v1, v1beta1): whether peers without mutual TLS may connect.
 * Source: pilot/pkg/security/authn/policy_applier.go, pilot/pkg/model/authentication.go.
 */
import type { CompiledPolicy, PeerTerm, Rule } from "../model/rules";
import { tiers } from "../model/rules";
import { all, not, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import type { PolicySource } from "../model/policy-source";
import { TrafficSet } from "../model/sets/ports";
import { MAYBE, NO } from "../model/unknown";
import { uncertainPolicy, type ReaderContext } from "./common";
import { inNamespace } from "../model/selectors/conditions";
import { NotReadable, onlyFields, readMap, readString, type ObjectReader } from "./fields";
import { inMesh, readPortText, readWorkloadSelector } from "./istio";

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
  const earlier: { readonly level: number; readonly where: Condition }[] = [];
  for (const { origin, namespace, reader } of [...found].sort(byAge)) {
    const reach = all(inMesh(), inNamespace(namespace));
    result.push(
      ...reader.attempt<CompiledPolicy[]>(
        () => {
          const spec = readMap(origin.object.spec, "spec") ?? {};
          onlyFields(spec, "spec", ["selector", "mtls", "portLevelMtls"]);
          const selects = Object.keys(readMap(spec["selector"], "spec.selector") ?? {}).length > 0;
          if (selects && namespace === root) {
            reader.report(
              "not-enforced",
              "a PeerAuthentication with a selector has no effect in the root namespace",
              "spec.selector",
              false,
            );
            return [];
          }
          const level = selects ? 0 : namespace === root ? 2 : 1;
          const place = level === 2 ? inMesh() : reach;
          const where = all(place, readWorkloadSelector(spec, reader));
          const older = earlier.filter((each) => each.level === level).map((each) => not(each.where));
          earlier.push({ level, where });
          if (!selects && spec["portLevelMtls"] !== undefined) {
            reader.report(
              "not-enforced",
              "portLevelMtls has an effect only together with a selector",
              "spec.portLevelMtls",
              false,
            );
          }
          const rules = [
            ...(selects ? portRules(spec["portLevelMtls"]) : []),
            ...modeRules(spec["mtls"], "spec.mtls", tcp),
          ];
          return [
            {
              origin,
              tier: tiers.meshTransport,
              order: level,
              subject: { kind: "pods", where: all(where, ...older) },
              ingress: { isolates: NO, rules },
            },
          ];
        },
        () => {
          const { egress: _egress, ...policy } = uncertainPolicy(
            origin,
            namespace === root ? inMesh() : reach,
            tiers.meshTransport,
            true,
          );
          return [{ ...policy, ingress: { isolates: MAYBE, rules: [] } }];
        },
      ),
    );
  }
  return result;
}

function byAge(a: PeerAuthentication, b: PeerAuthentication): number {
  const age = (each: PeerAuthentication): string => each.origin.object.metadata?.creationTimestamp ?? "9999";
  const name = (each: PeerAuthentication): string => each.origin.name;
  return age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0;
}

function portRules(value: unknown): Rule[] {
  const ports = readMap(value, "spec.portLevelMtls") ?? {};
  return Object.entries(ports).flatMap(([port, mtls]) => {
    const path = `spec.portLevelMtls[${port}]`;
    return modeRules(mtls, path, TrafficSet.ports("TCP", readPortText(port, path)));
  });
}

/** STRICT denies plaintext; PERMISSIVE and DISABLE let it pass, whatever the next level says; UNSET says nothing. */
function modeRules(value: unknown, path: string, ports: TrafficSet): Rule[] {
  const mtls = readMap(value, path) ?? {};
  onlyFields(mtls, path, ["mode"]);
  const mode = readString(mtls["mode"], `${path}.mode`) ?? "UNSET";
  const rule = (verdict: Rule["verdict"], peer: PeerTerm): Rule => ({
    direction: "ingress",
    verdict,
    peers: [peer],
    l4: { must: ports, may: ports, named: [] },
    path,
  });
  switch (mode) {
    case "UNSET":
      return [];
    case "STRICT":
      return [rule("deny", plaintext), rule("pass", anybody)];
    case "PERMISSIVE":
    case "DISABLE":
      return [rule("pass", anybody)];
    default:
      throw new NotReadable(
        `${path}.mode`,
        `${path}.mode must be UNSET, DISABLE, PERMISSIVE or STRICT`,
        "invalid-value",
      );
  }
}
