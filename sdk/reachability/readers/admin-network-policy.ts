/**
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy, policy.networking.k8s.io/v1alpha1: what ClusterNetworkPolicy grew from.
 * Source: network-policy-api apis/v1alpha1.
 */
import { mapOf } from "../model/plain";
import type { L4Spec } from "../model/rules";
import { TrafficSet } from "../model/sets/ports";
import {
  onlyOneOf,
  readAtMost,
  readTieredPolicy,
  type RuleReading,
  type TieredDialect,
} from "./cluster-network-policy";
import type { PolicyReader } from "./common";
import { isGiven, NotReadable, onlyFields, readInteger, readMap, readString, required } from "./fields";
import { everyTraffic, exactly, portProtocol, uniteL4, unknownPort } from "./l4";
import { readPortName } from "./names";

const dialect = (baseline: boolean): TieredDialect => ({
  specFields: baseline ? ["subject", "ingress", "egress"] : ["priority", "subject", "ingress", "egress"],
  tierOf: () => (baseline ? "Baseline" : "Admin"),
  actions: baseline ? { Allow: "allow", Deny: "deny" } : { Allow: "allow", Deny: "deny", Pass: "pass" },
  hasPriority: !baseline,
  trafficField: "ports",
  most: 100,
  external: baseline ? ["networks", "nodes"] : ["networks", "nodes", "domainNames"],
  readTraffic: readPorts,
});

const admin = dialect(false);
const baseline = dialect(true);

export const readAdminNetworkPolicy: PolicyReader = (origin, namespace, reader, context) =>
  readTieredPolicy(admin, origin, namespace, reader, context);

/** There is one, and its name is `default`: the API server refuses others. */
export const readBaselineAdminNetworkPolicy: PolicyReader = (origin, namespace, reader, context) => {
  const policies = readTieredPolicy(baseline, origin, namespace, reader, context);
  if (origin.name !== "default") {
    const message = `the API server refuses a BaselineAdminNetworkPolicy named ${origin.name}: there is one, named default`;
    reader.report("invalid-value", message, "metadata.name", true);
  }
  return policies;
};

/**
 * Calico drops a namedPort from the rule, which then is for every protocol and port (k8sAdminPolicyPortToCalicoFields in
 * libcalico-go conversion.go, up to 3.31, the last that reads this kind).
 */
function readPorts(value: unknown, path: string, { kind: { most }, reader, profile }: RuleReading): L4Spec {
  const ports = readAtMost(most, value, path) ?? [];
  if (ports.length === 0) return everyTraffic;
  const read = uniteL4(
    ports.map((port, index) =>
      reader.attemptUnknown(
        () => readPort(port, `${path}[${index}]`),
        () => unknownPort(protocolIn(port), TrafficSet.all()),
      ),
    ),
  );
  if (!profile.dropsAdminPortNames || read.named.length === 0) return read;
  const message = `${profile.title} drops namedPort from ${path}: the rule is for every protocol and port`;
  reader.notEnforced(message, path);
  return everyTraffic;
}

/** The protocol that an item names; a name of a port is for any. */
function protocolIn(item: unknown): unknown {
  const { portNumber, portRange } = mapOf(item);
  return mapOf(portNumber ?? portRange)["protocol"];
}

function readPort(value: unknown, path: string): L4Spec {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["portNumber", "namedPort", "portRange"]);
  onlyOneOf(entry, path);
  const name = entry["namedPort"];
  if (isGiven(name)) return exactly(TrafficSet.none(), [{ name: readPortName(name, `${path}.namedPort`) }]);
  const number = readMap(entry["portNumber"], `${path}.portNumber`);
  const range = readMap(entry["portRange"], `${path}.portRange`);
  const fields = required(number ?? range, path);
  const where = `${path}.${number === undefined ? "portRange" : "portNumber"}`;
  onlyFields(fields, where, number === undefined ? ["protocol", "start", "end"] : ["protocol", "port"]);
  const protocol = portProtocol(readString(fields["protocol"], `${where}.protocol`) ?? "TCP");
  if (protocol === undefined)
    throw new NotReadable(`${where}.protocol`, `${where}.protocol is not TCP, UDP or SCTP`, "invalid-value");
  const read = (field: string): number =>
    required(readInteger(fields[field], `${where}.${field}`, 1, 65535), `${where}.${field}`);
  if (number !== undefined) return exactly(TrafficSet.ports(protocol, read("port")));
  const [start, end] = [read("start"), read("end")];
  if (end < start) throw new NotReadable(where, `${where} must not end before it starts`, "invalid-value");
  return exactly(TrafficSet.ports(protocol, start, end));
}
