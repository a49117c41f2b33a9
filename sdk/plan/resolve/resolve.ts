/** Checks a declaration and resolves every name in it. */
import { formatPath } from "../../property-path";
import type { PolicyApiLimits } from "../apis/limits";
import { networkWriters } from "../apis/registry";
import type { ClusterSecurityDeclaration } from "../declaration";
import { DenyScope, Dialect, MeshMode, PolicyLayout, PolicyMode, Protocol, UnsupportedHandling } from "../declaration";
import { ProblemCollector } from "../errors";
import type {
  EndedException,
  Model,
  ModelDns,
  ModelFlow,
  ModelMesh,
  ModelNamespace,
  ModelPeer,
  ModelUndenied,
  ModelWorkload,
} from "../model";
import { isDnsSubdomain } from "../names";
import type { Expansion } from "../presets/index";
import { Reader } from "../reader";
import { readBreakGlass } from "./break-glass";
import { readBypasses } from "./bypasses";
import { readCluster } from "./cluster";
import { readFlows } from "./flows";
import { declarationFields } from "../declaration-fields";
import { refuseSpoofableSources } from "./identity";
import { declaresNodePlugin, hbonePort, meshFlows, meshService, readMesh, resolveMesh, meshPath } from "./mesh";
import { readNamespaces } from "./namespaces";
import { readDnsNames, tenantDnsNames } from "./dns-names";
import type { PeerDirectory } from "./peers";
import { peerDirectory } from "./peers";
import { mergePorts } from "./ports";
import { orderServices, readApplications, readServices } from "./services";
import { refuseBeyondLimits } from "./tenant-limits";
import type { TenantReading } from "./tenant-reading";
import { endedExceptions, readTenants, refuseCrossings } from "./tenants";
import { readUndenied, refuseOwnedNamespaces } from "./undenied";
import { readWorkloads } from "./workloads";

/**
 * Checks a declaration as a whole and resolves it.
 *
 * @throws DeclarationError with every problem that was found.
 */
export function resolve(declaration: ClusterSecurityDeclaration): Model {
  const problems = new ProblemCollector();
  const reader = new Reader(problems);
  const fields = reader.fields([], declaration, declarationFields);
  if (fields === undefined) {
    const fix = "Give an object with namespaces, workloads and flows.";
    problems.add(["declaration"], declaration, "is not an object", fix);
    problems.throwIfAny();
  }
  const top = fields ?? {};
  const dialect = reader.choice(["dialect"], top["dialect"], Dialect) ?? Dialect.Cilium;
  const { limits } = networkWriters[dialect];
  const cluster = readCluster(reader, problems, top["cluster"], dialect, limits);
  const settings = readSettings(reader, top);
  const members = readMembers(reader, problems, top, cluster.dns, { dialect, ...settings }, limits);
  const { namespaces, exempt, workloads, directory, expansions, mesh, undenied } = members;
  const tenants = readTenants(reader, problems, top["tenants"], namespaces);
  refuseOwnedNamespaces(problems, undenied, declaredNames(top["namespaces"]), tenants);
  const { flows, ended } = readAllFlows(reader, problems, top["flows"], members, tenants, cluster, settings);

  const model: Model = {
    dialect,
    limits,
    ...settings,
    ...cluster,
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
    bypasses: readBypasses(reader, problems, top["bypasses"], directory, settings.asOf),
    breakGlass: readBreakGlass(reader, problems, top["breakGlass"], directory),
    undenied,
    ...(mesh === undefined ? {} : { mesh }),
    policyNames: readPolicyNames(reader, problems, top["policyNames"]),
    services: orderServices(problems, expansions),
  };
  problems.throwIfAny();
  return model;
}

type Fields = Readonly<Record<string, unknown>>;

/** Names under `namespaces`, for those that may stand in one place only. */
function declaredNames(value: unknown): ReadonlySet<string> {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  return new Set(
    list.map((one) => (one as { name?: unknown } | null)?.name).filter((name) => typeof name === "string"),
  );
}

/** What is one value for the whole declaration. */
type Settings = Pick<Model, "denyScope" | "unsupported" | "reviewBy" | "asOf" | "mode" | "layout">;

function readSettings(reader: Reader, top: Fields): Settings {
  const asOf = reader.date(["asOf"], top["asOf"]);
  const reviewBy = reader.date(["reviewBy"], top["reviewBy"]);
  return {
    denyScope: reader.choice(["denyScope"], top["denyScope"], DenyScope) ?? DenyScope.Cluster,
    unsupported: reader.choice(["unsupported"], top["unsupported"], UnsupportedHandling) ?? UnsupportedHandling.Warn,
    ...(reviewBy === undefined ? {} : { reviewBy }),
    ...(asOf === undefined ? {} : { asOf }),
    mode: reader.choice(["mode"], top["mode"], PolicyMode) ?? PolicyMode.Enforce,
    layout: reader.choice(["layout"], top["layout"], PolicyLayout) ?? PolicyLayout.Auto,
  };
}

/** What flows connect, with what presets and the mesh bring. */
interface Members {
  readonly namespaces: ReadonlyMap<string, ModelNamespace>;
  readonly exempt: readonly string[];
  readonly workloads: ReadonlyMap<string, ModelWorkload>;
  readonly directory: PeerDirectory;
  readonly mesh: ModelMesh | undefined;
  readonly expansions: readonly Expansion[];
  readonly undenied: readonly ModelUndenied[];
}

function readMembers(
  reader: Reader,
  problems: ProblemCollector,
  top: Fields,
  dns: ModelDns,
  settings: { readonly dialect: Dialect; readonly mode: PolicyMode; readonly asOf?: string },
  limits: PolicyApiLimits,
): Members {
  const meshOptions = readMesh(reader, top["mesh"]);
  const services = [
    ...readServices(reader, problems, top["platform"], { dns }),
    ...readApplications(reader, problems, top["applications"], { dns }),
  ];
  const hasOwnPlugin = declaresNodePlugin(top["workloads"], services);
  const expansions = meshOptions === undefined ? services : [...services, meshService(meshOptions, hasOwnPlugin)];
  const undenied = readUndenied(reader, problems, services, settings);
  const { namespaces, exempt } = readNamespaces(
    reader,
    problems,
    top["namespaces"],
    top["exemptNamespaces"],
    dns.namespace,
    settings.mode,
    expansions,
    undenied,
  );
  const workloads = readWorkloads(reader, problems, top["workloads"], expansions, namespaces, limits);
  const mesh = meshOptions === undefined ? undefined : resolveMesh(problems, meshOptions, namespaces);
  return {
    namespaces,
    exempt,
    workloads,
    directory: peerDirectory(namespaces, workloads),
    mesh,
    undenied,
    expansions: expansions.map((one) =>
      mesh !== undefined && formatPath(one.path) === meshPath ? { ...one, flows: meshFlows(mesh, hasOwnPlugin) } : one,
    ),
  };
}

/** The flows of a declaration that are open, and the exceptions between tenants whose last day is over. */
function readAllFlows(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  { expansions, directory, mesh }: Members,
  tenants: readonly TenantReading[],
  { apiServer }: Pick<Model, "apiServer">,
  { asOf, reviewBy }: Settings,
): { readonly flows: readonly ModelFlow[]; readonly ended: readonly EndedException[] } {
  const exceptions = tenants.flatMap((tenant) => tenant.exceptions);
  const declared = readFlows(reader, problems, value, expansions, directory, apiServer.ports, exceptions);
  refuseSpoofableSources(problems, tenants, declared);
  refuseCrossings(problems, tenants, declared);
  refuseBeyondLimits(problems, tenants, declared);
  const ended = endedExceptions(tenants, declared, asOf);
  const open = declared.filter((flow) => !ended.some((one) => one.isClosed && one.flow === flow));
  const reviewed = reviewBy === undefined ? open : open.map((flow) => ({ reviewBy, ...flow }));
  return { flows: mesh?.mode === MeshMode.Ambient ? throughTunnel(reviewed, mesh) : reviewed, ended };
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
  const names = reader.textMap(["policyNames"], value) ?? {};
  for (const [derived, wanted] of Object.entries(names)) {
    if (isDnsSubdomain(wanted)) continue;
    problems.add(["policyNames", derived], wanted, "is not a name that Kubernetes takes", "Use a lower-case DNS name.");
  }
  return new Map(Object.entries(names));
}
