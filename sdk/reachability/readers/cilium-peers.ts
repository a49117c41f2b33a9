/** The lists of peers in Cilium rules. */
import type { DnsPattern, Entity, PeerTerm } from "../model/rules";
import { always, perhaps, type Condition } from "../model/selectors/conditions";
import { AddressSet } from "../model/sets/addresses";
import { isUnknown } from "../model/unknown";
import { ciliumKey, peerCondition, type CiliumScope } from "./cilium-selectors";
import {
  cidrTerm,
  readCidr,
  readExceptions,
  Refused,
  someAddresses,
  somewhereInTheWorld,
  uncertainPeer,
} from "./common";
import { isGiven, NotReadable, onlyFields, readList, readMap, readString, required } from "./fields";
import { readNames } from "./cilium-names";
import { podLabels, readLabelSelector } from "./label-selector";
import type { ServiceEntry } from "../model/services";
import { serviceTerm } from "./services";

/** What an entry of a list may stand for that cannot be read; of the lists that are not named here anybody. */
const unread: Readonly<Record<string, PeerTerm>> = {
  CIDR: someAddresses,
  CIDRSet: someAddresses,
  FQDNs: somewhereInTheWorld,
  Groups: somewhereInTheWorld,
  Nodes: { kind: "nodes", where: perhaps },
  Endpoints: { kind: "identities", where: perhaps },
};

/** Reads one of the lists `fromEndpoints`, `toCIDRSet`, …; an entry that cannot be read may be anybody whom the list is for. */
export function readCiliumPeers(field: string, value: unknown, path: string, scope: CiliumScope): PeerTerm[] {
  const name = field.replace(/^(from|to)/, "");
  const read = readers[name];
  if (read === undefined) throw new NotReadable(path, `${path} is not supported`, "unsupported");
  const anybody = unread[name] ?? uncertainPeer;
  return scope.reader.attempt(
    () =>
      (readList(value, path) ?? []).map((entry, index) =>
        scope.reader.attempt(
          () => read(entry, `${path}[${index}]`, scope),
          () => anybody,
        ),
      ),
    () => [anybody],
  );
}

const readers: Readonly<Record<string, (value: unknown, path: string, scope: CiliumScope) => PeerTerm>> = {
  Endpoints: (value, path, scope) => ({
    kind: "identities",
    where: peerCondition(readSelector(value, path), scope.namespace, scope.context.profile),
  }),
  // an address without its prefix, which the agent would take, is refused by the CRD of every version (format: cidr)
  CIDR: (value, path) => ({
    kind: "cidr",
    set: AddressSet.of(readCidr(required(readString(value, path), path), path)),
  }),
  CIDRSet: readCidrSet,
  Entities: readEntity,
  Nodes: (value, path, scope) => {
    if (!scope.context.profile.nodeSelectorLabels) {
      throw new Refused(`the agent refuses the policy: ${path} needs enable-node-selector-labels`);
    }
    return { kind: "nodes", where: readSelector(value, path) };
  },
  Groups: (_value, path, scope) => {
    scope.reader.report("unsupported", `${path}: which addresses are in a cloud's group is not known here`, path, true);
    return somewhereInTheWorld;
  },
  Services: readService,
  FQDNs: readFqdn,
};

/** An entry of a list of selectors: the empty one is everybody, none at all is refused. */
function readSelector(value: unknown, path: string): Condition {
  return readLabelSelector(required(readMap(value, path), path), path, ciliumKey);
}

function readCidrSet(value: unknown, path: string, scope: CiliumScope): PeerTerm {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["cidr", "cidrGroupRef", "cidrGroupSelector", "except"]);
  const given = ["cidr", "cidrGroupRef", "cidrGroupSelector"].filter((field) => isGiven(entry[field]));
  if (given.length !== 1) {
    throw new NotReadable(path, `${path} must hold one of cidr, cidrGroupRef and cidrGroupSelector`, "invalid-value");
  }
  if (given[0] !== "cidr") return readCidrGroup(entry, path, scope);
  const text = required(readString(entry["cidr"], `${path}.cidr`), `${path}.cidr`);
  if (!text.includes("/")) throw new Refused(`the API server refuses the policy: ${path}.cidr has no prefix length`);
  const cidr = readCidr(text, `${path}.cidr`);
  const { exceptions, complete } = readExceptions(entry, path, scope.reader);
  for (const [index, exception] of exceptions.entries()) {
    if (exception.family !== cidr.family || exception.from < cidr.from || exception.to > cidr.to) {
      throw new Refused(`the agent refuses the policy: ${path}.except[${index}] does not lie inside its CIDR`);
    }
  }
  const term = cidrTerm(cidr, exceptions, path);
  return complete ? term : { kind: "and", of: [term, uncertainPeer] };
}

function readCidrGroup(entry: Readonly<Record<string, unknown>>, path: string, scope: CiliumScope): PeerTerm {
  const { exceptions, complete } = readExceptions(entry, path, scope.reader);
  const name = readString(entry["cidrGroupRef"], `${path}.cidrGroupRef`);
  const selector =
    name === undefined
      ? readLabelSelector(entry["cidrGroupSelector"], `${path}.cidrGroupSelector`, podLabels)
      : undefined;
  const { known, rest } = scope.context.cidrGroups(name, selector);
  const written: PeerTerm = { kind: "cidr", set: known.subtract(AddressSet.of(...exceptions)) };
  const ranges: PeerTerm = complete ? written : { kind: "and", of: [written, uncertainPeer] };
  if (rest === undefined) return ranges;
  const why = rest === "not-read" ? "it names is not in the snapshot" : "it names holds ranges that are not known";
  scope.reader.report(rest === "not-read" ? rest : "unknown-value", `${path}: the CiliumCIDRGroup ${why}`, path, true);
  return { kind: "or", of: [ranges, somewhereInTheWorld] };
}

/**
 * The entities that the CRD lists (Cilium: pkg/policy/api/entity.go). The agent knows world-ipv4 and world-ipv6, too, which
 * the API server refuses.
 */
const entities: ReadonlySet<string> = new Set<Entity>([
  "all",
  "world",
  "cluster",
  "host",
  "remote-node",
  "kube-apiserver",
  "ingress",
  "health",
  "init",
  "unmanaged",
  "none",
]);

function readEntity(value: unknown, path: string): PeerTerm {
  const name = required(readString(value, path), path);
  if (name === "cluster-mesh") {
    throw new NotReadable(
      path,
      `${path}: which pods of other clusters cluster-mesh matches is not known`,
      "unsupported",
    );
  }
  if (!entities.has(name)) {
    const why = `the API server refuses the policy: ${path} is not an entity`;
    throw new Refused(why, `${why}: ${JSON.stringify(name)}`);
  }
  return { kind: "entity", entity: name as Entity };
}

function readService(value: unknown, path: string, scope: CiliumScope): PeerTerm {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["k8sService", "k8sServiceSelector"]);
  const byName = readMap(entry["k8sService"], `${path}.k8sService`);
  const bySelector = readMap(entry["k8sServiceSelector"], `${path}.k8sServiceSelector`);
  const where = byName ?? bySelector ?? {};
  const given = where["namespace"];
  if (isUnknown(given)) throw new NotReadable(path, `${path}: the namespace is not known yet`, "unknown-value");
  // without one it is about every namespace, also in a namespaced policy (measured)
  const namespace = readString(given, `${path}.namespace`) || undefined;
  if (byName !== undefined) {
    const name = required(readString(byName["serviceName"], `${path}.k8sService.serviceName`), path);
    const named = scope.context.services.named(namespace, name);
    if (named.length === 0) {
      const home = namespace === undefined ? "" : `${namespace}/`;
      throw new NotReadable(path, `${path}: Service ${home}${name} is not in the snapshot`, "not-read");
    }
    return whoever(named, path, scope);
  }
  if (bySelector === undefined) throw new NotReadable(path, `${path} names no Service`, "invalid-value");
  const selector: Condition =
    bySelector["selector"] === undefined
      ? always
      : readLabelSelector(bySelector["selector"], `${path}.k8sServiceSelector.selector`, podLabels);
  return whoever(scope.context.services.select(namespace, selector), path, scope);
}

/** The peers behind some Services. */
function whoever(services: readonly ServiceEntry[], path: string, { reader }: CiliumScope): PeerTerm {
  if (services.some(({ readable }) => !readable)) {
    reader.report("unsupported", `${path}: which pods are behind a Service is not known`, path, true);
  }
  return { kind: "or", of: services.map(serviceTerm) };
}

/** One name, whichever: it opens no pods, and of addresses only those that any name may have. */
const someName: DnsPattern = { text: "(unknown)", expression: /^.*$/, broad: false };
/** Names of a pattern that is not known: strangers may have one of them. */
const someNames: DnsPattern = { ...someName, broad: true };

function readFqdn(value: unknown, path: string, { reader }: CiliumScope): PeerTerm {
  const entry = required(readMap(value, path), path);
  onlyFields(entry, path, ["matchName", "matchPattern"]);
  const pattern = isUnknown(entry["matchPattern"]) ? someNames : someName;
  return reader.attemptUnknown<PeerTerm>(
    () => {
      const [known] = readNames(entry, path);
      return { kind: "fqdn", pattern: required(known, `${path}.matchPattern`) };
    },
    () => ({ kind: "and", of: [{ kind: "fqdn", pattern }, uncertainPeer] }),
  );
}
