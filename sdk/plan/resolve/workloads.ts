import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import type { ProblemCollector } from "../errors";
import type { ModelNamespace, ModelWorkload } from "../model";
import type { PolicyApiLimits } from "../apis/limits";
import { Tier } from "../declaration";
import { standIns } from "../deferred";
import { isDnsLabel, isDnsSubdomain } from "../names";
import type { Expansion } from "../presets/index";
import type { Reader } from "../reader";
import { readLabels, readNamespaceName } from "./namespaces";
import { readMetadataAccess } from "./metadata-access";
import { readServedPorts } from "./ports";

const workloadFields = [
  "name",
  "namespace",
  "labels",
  "serviceAccount",
  "ports",
  "hostNetwork",
  "denyExternal",
  "metadataAccess",
];

/** Reads every workload, those of platform services first. */
export function readWorkloads(
  reader: Reader,
  problems: ProblemCollector,
  declared: unknown,
  expansions: readonly Expansion[],
  namespaces: ReadonlyMap<string, ModelNamespace>,
  limits: PolicyApiLimits,
): Map<string, ModelWorkload> {
  const workloads = new Map<string, ModelWorkload>();
  const paths = new Map<string, PropertyPath>();
  const add = (path: PropertyPath, value: unknown, service: string | undefined): void => {
    const workload = readWorkload(reader, problems, path, value, namespaces, service);
    if (workload === undefined) return;
    const first = paths.get(workload.id);
    if (first !== undefined) {
      return problems.add(
        [...path, "name"],
        workload.name,
        `is declared at ${formatPath(first)} already`,
        "Declare each workload once.",
      );
    }
    paths.set(workload.id, path);
    workloads.set(workload.id, workload);
  };
  for (const expansion of expansions) {
    const service = expansion.isApplication === true ? undefined : expansion.name;
    expansion.workloads.forEach((value, index) => add([...expansion.path, "workloads", index], value, service));
  }
  reader.list(["workloads"], declared).forEach((value, index) => add(["workloads", index], value, undefined));
  refuseSharedSelectors(problems, workloads, paths, limits);
  return workloads;
}

function readWorkload(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
  namespaces: ReadonlyMap<string, ModelNamespace>,
  service: string | undefined,
): ModelWorkload | undefined {
  const fix = 'Write it as workload("namespace/name").';
  const fields = reader.item(path, value, workloadFields, "is not a workload", fix);
  if (fields === undefined) {
    return undefined;
  }
  const name = reader.text([...path, "name"], fields["name"]);
  const namespace = readNamespaceName(reader, problems, [...path, "namespace"], fields["namespace"]);
  const labels = readLabels(reader, problems, [...path, "labels"], fields["labels"]);
  const serviceAccount = reader.optionalLeaf([...path, "serviceAccount"], fields["serviceAccount"], standIns.name);
  const ports = readServedPorts(reader, problems, [...path, "ports"], fields["ports"]);
  const placement = readPlacement(reader, problems, path, fields);
  if (name !== undefined && !isDnsLabel(name)) {
    problems.add(
      [...path, "name"],
      name,
      "is not a DNS label",
      "Use lower-case letters, digits and hyphens, at most 63.",
    );
    return undefined;
  }
  if (labels !== undefined && Object.keys(labels).length === 0) {
    const fix = "Give at least one label, or leave labels out for app: <name>.";
    problems.add([...path, "labels"], labels, "selects every pod of the namespace", fix);
  }
  if (serviceAccount !== undefined && !isDnsSubdomain(serviceAccount)) {
    problems.add([...path, "serviceAccount"], serviceAccount, "is not a service account name", "Use a DNS name.");
  }
  if (name === undefined || namespace === undefined) return undefined;
  const home = namespaces.get(namespace);
  if (home === undefined) {
    const fix = "Declare it in namespaces, with its tier.";
    problems.add([...path, "namespace"], namespace, "is a namespace that is not declared", fix);
  }
  return {
    id: `${namespace}/${name}`,
    name,
    namespace,
    labels: labels ?? { app: name },
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ports,
    ...placement,
    tier: home?.tier ?? Tier.Applications,
    ...(service === undefined ? {} : { service }),
  };
}

/** Whether a workload is on the host network, and what cannot be declared for it there. */
function readPlacement(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  fields: Readonly<Record<string, unknown>>,
): Pick<ModelWorkload, "hostNetwork" | "denyExternal" | "metadataAccess"> {
  const hostNetwork = reader.flag([...path, "hostNetwork"], fields["hostNetwork"]) ?? false;
  const denyExternal = reader.flag([...path, "denyExternal"], fields["denyExternal"]) ?? false;
  if (denyExternal && hostNetwork) {
    const fix = "Take it off the host network, or use the enforcer's host firewall.";
    problems.add([...path, "denyExternal"], denyExternal, "cannot be enforced on the host network", fix);
  }
  const metadataAccess = readMetadataAccess(reader, problems, [...path, "metadataAccess"], fields["metadataAccess"]);
  if (metadataAccess.length > 0 && hostNetwork) {
    const fix = "Leave it out, or take the workload off the host network.";
    const message = "has no effect: pods on the host network reach them all";
    problems.add([...path, "metadataAccess"], metadataAccess, message, fix);
  }
  return { hostNetwork, denyExternal, metadataAccess };
}

/**
 * Two workloads of which one selects the pods of the other cannot be told apart: a flow of one would be a flow of both.
 * Different service accounts hold them apart where the dialect knows identities.
 */
function refuseSharedSelectors(
  problems: ProblemCollector,
  workloads: ReadonlyMap<string, ModelWorkload>,
  paths: ReadonlyMap<string, PropertyPath>,
  { serviceAccounts }: PolicyApiLimits,
): void {
  const placeOf = ({ id }: ModelWorkload): PropertyPath => paths.get(id) ?? ["workloads", id];
  const byNamespace = new Map<string, ModelWorkload[]>();
  for (const workload of workloads.values()) {
    const group = byNamespace.get(workload.namespace) ?? [];
    for (const other of group) {
      const apartByAccount =
        serviceAccounts &&
        workload.serviceAccount !== undefined &&
        other.serviceAccount !== undefined &&
        workload.serviceAccount !== other.serviceAccount;
      if (apartByAccount || !(isSubset(workload.labels, other.labels) || isSubset(other.labels, workload.labels)))
        continue;
      problems.add(
        [...placeOf(workload), "labels"],
        workload.labels,
        `selects the same pods as ${other.id} (${formatPath(placeOf(other))})`,
        "Give each workload a label that the other has not, or a service account of its own where the dialect knows it.",
      );
    }
    group.push(workload);
    byNamespace.set(workload.namespace, group);
  }
}

function isSubset(inner: Readonly<Record<string, string>>, outer: Readonly<Record<string, string>>): boolean {
  return Object.entries(inner).every(([key, value]) => outer[key] === value);
}
