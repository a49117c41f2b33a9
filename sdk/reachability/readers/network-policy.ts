/**
 * NetworkPolicy, networking.k8s.io/v1.
 * Source: k8s.io/api networking/v1/types.go and the validation in pkg/apis/networking.
 */
import { mapOf } from "../model/plain";
import type { EnforcerProfile } from "../model/profile";
import type { CompiledPolicy, DirectionRules, L4Spec, NamedPort, PeerTerm, Rule } from "../model/rules";
import { all, always, perhaps, test, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import { TrafficSet } from "../model/sets/ports";
import { YES } from "../model/unknown";
import type { Direction } from "../model/direction";
import {
  anyPeer,
  cidrTerm,
  type PolicyReader,
  readCidr,
  readExceptions,
  someAddresses,
  uncertainDirection,
  uncertainPeer,
  uncertainPolicy,
  uncertainRule,
} from "./common";
import { inNamespace } from "../model/selectors/conditions";
import {
  NotReadable,
  onlyFields,
  readInteger,
  readList,
  readMap,
  readString,
  readStrings,
  required,
  type Fields,
  type ObjectReader,
} from "./fields";
import { namespaceKey, withoutMatchLabel } from "./cilium-selectors";
import { everyPort, everyTraffic, exactly, portProtocol, uncertainTraffic, uniteL4, unknownPort } from "./l4";
import { namespaceLabels, podLabelsOf, readLabelSelector, type KeyMapping } from "./label-selector";
import { readPortName } from "./names";

export const readNetworkPolicy: PolicyReader = (origin, namespace, reader, context) => {
  const home = inNamespace(namespace);
  const scope: Scope = { namespace, reader, pods: podLabelsOf(context.profile), profile: context.profile };
  return reader.attempt(
    () => {
      const spec = readMap(origin.object.spec, "spec") ?? {};
      onlyFields(spec, "spec", ["podSelector", "policyTypes", "ingress", "egress"]);
      const selected = reader.attempt(
        () => readLabelSelector(ownSelector(spec["podSelector"], scope), "spec.podSelector", scope.pods),
        () => perhaps,
      );
      const directions = readDirections(spec, context.profile);
      for (const direction of ["ingress", "egress"] as const) {
        if (directions.has(direction)) continue;
        reader.validate((probe) => readDirection(spec, direction, { ...scope, reader: probe }));
      }
      const policy: CompiledPolicy = {
        origin,
        tier: context.tiers.normal,
        // Calico converts NetworkPolicies to its own with this order
        order: 1000,
        subject: { kind: "pods", where: all(home, selected) },
        ...(directions.has("ingress") ? { ingress: readDirection(spec, "ingress", scope) } : {}),
        ...(directions.has("egress") ? { egress: readDirection(spec, "egress", scope) } : {}),
      };
      return [policy];
    },
    () => [uncertainPolicy(origin, home, context.tiers.normal, false)],
  );
};

/**
 * Without `policyTypes` a policy is about ingress, and about egress if it has egress rules (the API server's default).
 * Cilium also honours rules of a direction that `policyTypes` leaves out (measured on an agent).
 */
function readDirections(spec: Fields, { rulesBeyondPolicyTypes }: EnforcerProfile): Set<Direction> {
  const given = readStrings(spec["policyTypes"], "spec.policyTypes") ?? [];
  if (given.length > 2) {
    throw new NotReadable("spec.policyTypes", "spec.policyTypes may hold two types at most", "invalid-value");
  }
  const types = given.map((type, index): Direction => {
    if (type === "Ingress") return "ingress";
    if (type === "Egress") return "egress";
    const path = `spec.policyTypes[${index}]`;
    throw new NotReadable(path, `${path} must be Ingress or Egress, not ${JSON.stringify(type)}`, "invalid-value");
  });
  const has = (direction: Direction): boolean => (readList(spec[direction], `spec.${direction}`) ?? []).length > 0;
  const directions = new Set<Direction>(types.length > 0 ? types : has("egress") ? ["ingress", "egress"] : ["ingress"]);
  if (rulesBeyondPolicyTypes) {
    if (has("ingress")) directions.add("ingress");
    if (has("egress")) directions.add("egress");
  }
  return directions;
}

/** What is common to all rules of one policy. */
interface Scope {
  readonly namespace: LabelValue;
  readonly reader: ObjectReader;
  /** Where keys of pod selectors look. */
  readonly pods: KeyMapping;
  readonly profile: EnforcerProfile;
}

function readDirection(spec: Fields, direction: Direction, scope: Scope): DirectionRules {
  const { reader } = scope;
  const path = `spec.${direction}`;
  return reader.attempt(
    () => ({
      isolates: YES,
      rules: (readList(spec[direction], path) ?? []).map((rule, index) =>
        readRule(rule, direction, `${path}[${index}]`, scope),
      ),
    }),
    () => ({ ...uncertainDirection(direction, path, false), isolates: YES }),
  );
}

function readRule(value: unknown, direction: Direction, path: string, scope: Scope): Rule {
  const { reader } = scope;
  const peerField = direction === "ingress" ? "from" : "to";
  return reader.attempt<Rule>(
    () => {
      const rule = readMap(value, path) ?? {};
      onlyFields(rule, path, [peerField, "ports"]);
      const peers = readList(rule[peerField], `${path}.${peerField}`) ?? [];
      return {
        direction,
        verdict: "allow",
        path,
        peers:
          peers.length === 0
            ? [anyPeer]
            : peers.map((peer, index) => readPeer(peer, `${path}.${peerField}[${index}]`, scope)),
        l4: reader.attempt(
          () => readPorts(rule["ports"], `${path}.ports`, reader),
          () => uncertainTraffic,
        ),
      };
    },
    () => uncertainRule(direction, "allow", path),
  );
}

/** A selector of pods of the policy's own namespace: Cilium writes that over whatever namespace it names. */
function ownSelector(value: unknown, { profile }: Scope): unknown {
  return profile.selectsIdentityLabels ? withoutMatchLabel(value, namespaceKey.kubernetes) : value;
}

function readPeer(value: unknown, path: string, scope: Scope): PeerTerm {
  const { namespace, reader, pods: mapPods, profile } = scope;
  return reader.attempt(
    () => {
      const peer = required(readMap(value, path), path);
      onlyFields(peer, path, ["podSelector", "namespaceSelector", "ipBlock"]);
      const ipBlock = readMap(peer["ipBlock"], `${path}.ipBlock`);
      const hasPods = peer["podSelector"] !== undefined && peer["podSelector"] !== null;
      const hasNamespaces = peer["namespaceSelector"] !== undefined && peer["namespaceSelector"] !== null;
      if (ipBlock !== undefined) {
        if (hasPods || hasNamespaces) {
          throw new NotReadable(path, `${path} may not hold ipBlock together with a selector`, "invalid-value");
        }
        return readIpBlock(ipBlock, `${path}.ipBlock`, reader);
      }
      if (!hasPods && !hasNamespaces) {
        throw new NotReadable(path, `${path} must hold podSelector, namespaceSelector or ipBlock`, "invalid-value");
      }
      const place: Condition = hasNamespaces
        ? readLabelSelector(peer["namespaceSelector"], `${path}.namespaceSelector`, namespaceLabels)
        : inNamespace(namespace);
      const selector = hasNamespaces ? peer["podSelector"] : ownSelector(peer["podSelector"], scope);
      const pods = readLabelSelector(selector, `${path}.podSelector`, mapPods);
      if (profile.localClusterOnly) return { kind: "pods", where: all(place, pods) };
      // without the cluster's name in it, a selector that only excludes fits what has no labels at all
      const somewhere = place === always ? test("namespace", "", "exists") : place;
      return { kind: "identities", where: all(somewhere, pods) };
    },
    () => uncertainPeer,
  );
}

function readIpBlock(block: Fields, path: string, reader: ObjectReader): PeerTerm {
  onlyFields(block, path, ["cidr", "except"]);
  const { exceptions, complete } = readExceptions(block, path, reader);
  return reader.attemptUnknown<PeerTerm>(
    () => {
      const cidr = readCidr(required(readString(block["cidr"], `${path}.cidr`), `${path}.cidr`), `${path}.cidr`);
      const term = cidrTerm(cidr, exceptions, path);
      return complete ? term : { kind: "and", of: [term, uncertainPeer] };
    },
    () => someAddresses,
  );
}

function readPorts(value: unknown, path: string, reader: ObjectReader): L4Spec {
  const ports = readList(value, path) ?? [];
  if (ports.length === 0) return everyTraffic;
  return uniteL4(
    ports.map((port, index) =>
      reader.attemptUnknown(
        () => readPort(port, `${path}[${index}]`),
        () => unknownPort(mapOf(port)["protocol"] ?? "TCP", everyPort),
      ),
    ),
  );
}

function readPort(value: unknown, path: string): L4Spec {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["port", "endPort", "protocol"]);
  const name = readString(entry["protocol"], `${path}.protocol`) ?? "TCP";
  const protocol = portProtocol(name);
  if (protocol === undefined) {
    const where = `${path}.protocol`;
    throw new NotReadable(where, `${where} must be TCP, UDP or SCTP, not ${JSON.stringify(name)}`, "invalid-value");
  }
  const port = entry["port"];
  const endPort = readInteger(entry["endPort"], `${path}.endPort`, 1, 65535);
  if (typeof port === "string") {
    if (endPort !== undefined) {
      throw new NotReadable(`${path}.endPort`, `${path}.endPort needs a numeric port`, "invalid-value");
    }
    const named: NamedPort = { name: readPortName(port, `${path}.port`), protocol };
    return exactly(TrafficSet.none(), [named]);
  }
  const first = readInteger(port, `${path}.port`, 1, 65535);
  if (first === undefined) {
    if (endPort !== undefined)
      throw new NotReadable(`${path}.endPort`, `${path}.endPort needs a port`, "invalid-value");
    return exactly(TrafficSet.protocol(protocol));
  }
  if (endPort !== undefined && endPort < first) {
    throw new NotReadable(`${path}.endPort`, `${path}.endPort must not be smaller than port`, "invalid-value");
  }
  return exactly(TrafficSet.ports(protocol, first, endPort ?? first));
}
