/** Checks a declaration and resolves every name in it. */
import { cidrProblem } from "../addresses";
import { networkWriters } from "../apis/registry";
import type { ClusterSecurityDeclaration } from "../declaration";
import { DenyScope, Dialect, MeshMode, PolicyLayout, PolicyMode, Protocol, UnsupportedHandling } from "../declaration";
import type { StandIn } from "../deferred";
import { isUnknown, standIns } from "../deferred";
import { ProblemCollector } from "../errors";
import type { Model, ModelFlow, ModelMesh, ModelNamespace, ModelPeer } from "../model";
import { isDnsSubdomain } from "../names";
import { Reader } from "../reader";
import { readBypasses } from "./bypasses";
import { readDns } from "./dns";
import { readFlows } from "./flows";
import { refuseSpoofableSources } from "./identity";
import { declaresNodePlugin, hbonePort, meshFlows, meshService, readMesh, resolveMesh, meshPath } from "./mesh";
import { readNamespaces } from "./namespaces";
import { readDnsNames, tenantDnsNames } from "./dns-names";
import { peerDirectory } from "./peers";
import { mergePorts } from "./ports";
import { orderServices, readApplications, readServices } from "./services";
import { refuseBeyondLimits } from "./tenant-limits";
import { endedExceptions, readTenants, refuseCrossings } from "./tenants";
import { readWorkloads } from "./workloads";

const declarationFields = [
  "dialect",
  "cluster",
  "exemptNamespaces",
  "namespaces",
  "workloads",
  "flows",
  "platform",
  "applications",
  "tenants",
  "asOf",
  "reviewBy",
  "bypasses",
  "mesh",
  "policyNames",
  "unsupported",
  "denyScope",
  "mode",
  "layout",
];
const clusterFields = [
  "dns",
  "apiServer",
  "nodeCidrs",
  "enforcerVersion",
  "podCidrs",
  "enforcerAudits",
  "experimentalPeers",
];

/**
 * Checks a declaration as a whole and resolves it.
 *
 * @throws DeclarationError with every problem that was found.
 */
export function resolve(declaration: ClusterSecurityDeclaration): Model {
  const problems = new ProblemCollector();
  const reader = new Reader(problems);
  const fields = reader.fields("", declaration, declarationFields);
  if (fields === undefined) {
    problems.add(
      "declaration",
      declaration,
      "is not an object",
      "Give an object with namespaces, workloads and flows.",
    );
    problems.throwIfAny();
  }
  const top = fields ?? {};
  const cluster = reader.fields("cluster", top["cluster"], clusterFields) ?? {};
  const dialect = reader.choice("dialect", top["dialect"], Dialect) ?? Dialect.Cilium;
  const { limits } = networkWriters[dialect];
  const dns = readDns(reader, problems, cluster["dns"]);
  const apiServer = reader.fields("cluster.apiServer", cluster["apiServer"], ["cidrs", "ports"]) ?? {};
  const apiServerPorts = reader.portNumbers("cluster.apiServer.ports", apiServer["ports"]) ?? [443, 6443];

  const mode = reader.choice("mode", top["mode"], PolicyMode) ?? PolicyMode.Enforce;
  const meshOptions = readMesh(reader, top["mesh"]);
  const services = [
    ...readServices(reader, problems, top["platform"], { dns }),
    ...readApplications(reader, problems, top["applications"], { dns }),
  ];
  const hasOwnPlugin = declaresNodePlugin(top["workloads"], services);
  const expansions = meshOptions === undefined ? services : [...services, meshService(meshOptions, hasOwnPlugin)];
  const { namespaces, exempt } = readNamespaces(
    reader,
    problems,
    top["namespaces"],
    top["exemptNamespaces"],
    dns.namespace,
    mode,
    expansions,
  );
  const workloads = readWorkloads(reader, problems, top["workloads"], expansions, namespaces, limits);
  const directory = peerDirectory(namespaces, workloads);
  const mesh = meshOptions === undefined ? undefined : resolveMesh(problems, meshOptions, namespaces);
  const withMesh = expansions.map((one) =>
    mesh !== undefined && one.path === meshPath ? { ...one, flows: meshFlows(mesh, hasOwnPlugin) } : one,
  );
  const tenants = readTenants(reader, problems, top["tenants"], namespaces);
  const exceptions = tenants.flatMap((tenant) => tenant.exceptions);
  const declaredFlows = readFlows(reader, problems, top["flows"], withMesh, directory, apiServerPorts, exceptions);
  refuseSpoofableSources(problems, tenants, declaredFlows);
  refuseCrossings(problems, tenants, declaredFlows);
  refuseBeyondLimits(problems, tenants, declaredFlows);
  const asOf = reader.date("asOf", top["asOf"]);
  const ended = endedExceptions(tenants, declaredFlows, asOf);
  const openFlows = declaredFlows.filter((flow) => !ended.some((one) => one.isClosed && one.flow === flow));
  const reviewBy = reader.date("reviewBy", top["reviewBy"]);
  const reviewed = reviewBy === undefined ? openFlows : openFlows.map((flow) => ({ reviewBy, ...flow }));
  const flows = mesh?.mode === MeshMode.Ambient ? throughTunnel(reviewed, mesh) : reviewed;
  const enforcerVersion = reader.optionalText("cluster.enforcerVersion", cluster["enforcerVersion"]);

  const enforcerAudits = reader.flag("cluster.enforcerAudits", cluster["enforcerAudits"]) ?? false;
  if (enforcerAudits && limits.staged) {
    const fix = "Leave it out: in mode audit every policy is written as its staged kind.";
    problems.add("cluster.enforcerAudits", enforcerAudits, `has no meaning in the ${dialect} dialect`, fix);
  }

  const model: Model = {
    dialect,
    limits,
    denyScope: reader.choice("denyScope", top["denyScope"], DenyScope) ?? DenyScope.Cluster,
    unsupported: reader.choice("unsupported", top["unsupported"], UnsupportedHandling) ?? UnsupportedHandling.Warn,
    ...(reviewBy === undefined ? {} : { reviewBy }),
    ...(asOf === undefined ? {} : { asOf }),
    mode,
    layout: reader.choice("layout", top["layout"], PolicyLayout) ?? PolicyLayout.Auto,
    dns,
    apiServer: {
      cidrs: readCidrs(reader, problems, "cluster.apiServer.cidrs", apiServer["cidrs"]),
      ports: apiServerPorts,
    },
    nodeCidrs: readCidrs(reader, problems, "cluster.nodeCidrs", cluster["nodeCidrs"]),
    podCidrs: readPodCidrs(reader, problems, cluster["podCidrs"]),
    ...(enforcerVersion === undefined ? {} : { enforcerVersion }),
    enforcerAudits,
    experimentalPeers: reader.flag("cluster.experimentalPeers", cluster["experimentalPeers"]) ?? false,
    exempt,
    namespaces: mesh === undefined ? namespaces : withMeshLabels(namespaces, mesh),
    workloads,
    flows,
    dnsNames: new Map([
      ...tenantDnsNames(tenants, flows),
      ...readDnsNames(problems, expansions, namespaces, workloads, flows),
    ]),
    tenants,
    endedExceptions: ended,
    bypasses: readBypasses(reader, problems, top["bypasses"], directory, asOf),
    ...(mesh === undefined ? {} : { mesh }),
    policyNames: readPolicyNames(reader, problems, top["policyNames"]),
    services: orderServices(problems, expansions),
  };
  problems.throwIfAny();
  return model;
}

/** In ambient mode pods see each other's connections on the tunnel's port, encrypted, as well as on their own. */
function throughTunnel(flows: readonly ModelFlow[], mesh: ModelMesh): readonly ModelFlow[] {
  const isMember = (peer: ModelPeer): boolean => {
    if (peer.kind === "workload")
      return mesh.namespaces.includes(peer.workload.namespace) && !peer.workload.hostNetwork;
    return peer.kind === "namespace" && mesh.namespaces.includes(peer.namespace.name);
  };
  const tunnel = { protocol: Protocol.TCP, from: hbonePort, to: hbonePort };
  return flows.map((flow) =>
    isMember(flow.from) && isMember(flow.to) ? { ...flow, ports: mergePorts([...flow.ports, tunnel]) } : flow,
  );
}

/** Proxies come to the pods of namespaces that carry the mesh's label. */
function withMeshLabels(
  namespaces: ReadonlyMap<string, ModelNamespace>,
  mesh: ModelMesh,
): ReadonlyMap<string, ModelNamespace> {
  const label: Readonly<Record<string, string>> =
    mesh.mode === MeshMode.Ambient ? { "istio.io/dataplane-mode": "ambient" } : { "istio-injection": "enabled" };
  const labelled = [...namespaces.values()].map((namespace): [string, ModelNamespace] => [
    namespace.name,
    mesh.namespaces.includes(namespace.name) ? { ...namespace, labels: { ...label, ...namespace.labels } } : namespace,
  ]);
  return new Map(labelled);
}

function readPolicyNames(reader: Reader, problems: ProblemCollector, value: unknown): ReadonlyMap<string, string> {
  const names = reader.textMap("policyNames", value) ?? {};
  for (const [derived, wanted] of Object.entries(names)) {
    if (isDnsSubdomain(wanted)) continue;
    problems.add(`policyNames.${derived}`, wanted, "is not a name that Kubernetes takes", "Use a lower-case DNS name.");
  }
  return new Map(Object.entries(names));
}

/** Where the pods' range is not known it may be one of IPv6, too. */
function readPodCidrs(reader: Reader, problems: ProblemCollector, value: unknown): readonly string[] {
  const cidrs = readCidrs(reader, problems, "cluster.podCidrs", value, standIns.pods);
  const isGuess = isUnknown(value) || (Array.isArray(value) && value.some(isUnknown));
  return isGuess && cidrs.includes("0.0.0.0/0") ? [...cidrs, "::/0"] : cidrs;
}

function readCidrs(
  reader: Reader,
  problems: ProblemCollector,
  path: string,
  value: unknown,
  standIn: StandIn<string> = standIns.network,
): readonly string[] {
  return (reader.items(path, value, standIn) ?? []).flatMap(({ text: cidr, path: at }) => {
    const wrong = cidrProblem(cidr);
    if (wrong !== undefined) problems.add(at, cidr, wrong.message, wrong.fix);
    return wrong === undefined ? [cidr] : [];
  });
}
