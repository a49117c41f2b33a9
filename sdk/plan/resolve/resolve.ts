/** Checks a declaration and resolves every name in it. */
import { cidrProblem } from "../addresses";
import type { ClusterSecurityDeclaration } from "../declaration";
import { DenyScope, Dialect, MeshMode, Protocol, UnsupportedHandling } from "../declaration";
import { ProblemCollector } from "../errors";
import type { Model, ModelDns, ModelFlow, ModelMesh, ModelNamespace, ModelPeer } from "../model";
import { isDnsSubdomain } from "../names";
import { Reader } from "../reader";
import { readFlows } from "./flows";
import { hbonePort, meshFlows, meshService, readMesh, resolveMesh } from "./mesh";
import { readLabels, readNamespaceName, readNamespaces } from "./namespaces";
import { peerDirectory } from "./peers";
import { mergePorts } from "./ports";
import { orderServices, readServices } from "./services";
import { readTenants, refuseCrossings } from "./tenants";
import { readWorkloads } from "./workloads";

const declarationFields = [
  "dialect",
  "cluster",
  "exemptNamespaces",
  "namespaces",
  "workloads",
  "flows",
  "platform",
  "tenants",
  "mesh",
  "policyNames",
  "unsupported",
  "denyScope",
];
const clusterFields = ["dns", "apiServer", "nodeCidrs", "enforcerVersion", "podCidrs"];

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
  const dns = readDns(reader, problems, cluster["dns"]);
  const apiServer = reader.fields("cluster.apiServer", cluster["apiServer"], ["cidrs", "ports"]) ?? {};
  const apiServerPorts = reader.portNumbers("cluster.apiServer.ports", apiServer["ports"]) ?? [443, 6443];

  const meshOptions = readMesh(reader, top["mesh"]);
  const services = readServices(reader, problems, top["platform"]);
  const expansions = meshOptions === undefined ? services : [...services, meshService(meshOptions)];
  const { namespaces, exempt } = readNamespaces(
    reader,
    problems,
    top["namespaces"],
    top["exemptNamespaces"],
    dns.namespace,
    expansions,
  );
  const workloads = readWorkloads(reader, problems, top["workloads"], expansions, namespaces, dialect);
  const directory = peerDirectory(namespaces, workloads);
  const mesh = meshOptions === undefined ? undefined : resolveMesh(problems, meshOptions, namespaces);
  const withMesh = expansions.map((one) =>
    mesh !== undefined && one.path === "mesh" ? { ...one, flows: meshFlows(mesh) } : one,
  );
  const tenants = readTenants(reader, problems, top["tenants"], namespaces);
  const exceptions = tenants.flatMap((tenant) => tenant.exceptions);
  const declaredFlows = readFlows(reader, problems, top["flows"], withMesh, directory, apiServerPorts, exceptions);
  refuseCrossings(problems, tenants, declaredFlows);
  const flows = mesh?.mode === MeshMode.Ambient ? throughTunnel(declaredFlows, mesh) : declaredFlows;
  const enforcerVersion = reader.optionalText("cluster.enforcerVersion", cluster["enforcerVersion"]);

  const model: Model = {
    dialect,
    denyScope: reader.choice("denyScope", top["denyScope"], DenyScope) ?? DenyScope.Cluster,
    unsupported: reader.choice("unsupported", top["unsupported"], UnsupportedHandling) ?? UnsupportedHandling.Warn,
    dns,
    apiServer: {
      cidrs: readCidrs(reader, problems, "cluster.apiServer.cidrs", apiServer["cidrs"]),
      ports: apiServerPorts,
    },
    nodeCidrs: readCidrs(reader, problems, "cluster.nodeCidrs", cluster["nodeCidrs"]),
    podCidrs: readCidrs(reader, problems, "cluster.podCidrs", cluster["podCidrs"]),
    ...(enforcerVersion === undefined ? {} : { enforcerVersion }),
    exempt,
    namespaces: mesh === undefined ? namespaces : withMeshLabels(namespaces, mesh),
    workloads,
    flows,
    tenants,
    ...(mesh === undefined ? {} : { mesh }),
    policyNames: readPolicyNames(reader, problems, top["policyNames"]),
    services: orderServices(problems, expansions),
  };
  problems.throwIfAny();
  return model;
}

function readDns(reader: Reader, problems: ProblemCollector, value: unknown): ModelDns {
  const path = "cluster.dns";
  const fields = reader.fields(path, value, ["namespace", "labels", "port", "nodeLocalCache"]) ?? {};
  const namespace =
    fields["namespace"] === undefined
      ? undefined
      : readNamespaceName(reader, problems, `${path}.namespace`, fields["namespace"]);
  const labels = readLabels(reader, problems, `${path}.labels`, fields["labels"]);
  if (labels !== undefined && Object.keys(labels).length === 0) {
    const fix = "Give the labels of the DNS pods, such as k8s-app: kube-dns.";
    problems.add(`${path}.labels`, labels, "selects every pod of the namespace", fix);
  }
  const nodeLocalCache = reader.optionalText(`${path}.nodeLocalCache`, fields["nodeLocalCache"]);
  if (nodeLocalCache !== undefined) {
    const wrong = cidrProblem(nodeLocalCache.includes(":") ? `${nodeLocalCache}/128` : `${nodeLocalCache}/32`);
    if (wrong !== undefined) {
      problems.add(
        `${path}.nodeLocalCache`,
        nodeLocalCache,
        "is not an address",
        "Give an address such as 169.254.20.10.",
      );
    }
  }
  return {
    namespace: namespace ?? "kube-system",
    labels: labels ?? { "k8s-app": "kube-dns" },
    port: fields["port"] === undefined ? 53 : (reader.portNumber(`${path}.port`, fields["port"]) ?? 53),
    ...(nodeLocalCache === undefined ? {} : { nodeLocalCache }),
  };
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

function readCidrs(reader: Reader, problems: ProblemCollector, path: string, value: unknown): readonly string[] {
  return (reader.texts(path, value) ?? []).filter((cidr, index) => {
    const wrong = cidrProblem(cidr);
    if (wrong !== undefined) problems.add(`${path}[${index}]`, cidr, wrong.message, wrong.fix);
    return wrong === undefined;
  });
}
