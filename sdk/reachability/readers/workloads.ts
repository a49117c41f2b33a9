/** Reading pods, and whatever holds a pod template, into workloads. */
import { groupOf, type KubeObject, type Source } from "../model/objects";
import { knownLabels, type LabelSet, type LabelValue } from "../model/selectors/labels";
import { isSomeValue, isUnknown, unknownValue } from "../model/unknown";
import { withControllerLabels } from "./controller-labels";
import type { Workload, WorkloadMember, WorkloadPort } from "../model/snapshot";

type Fields = Readonly<Record<string, unknown>>;

function mapOf(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isUnknown(value)
    ? (value as Fields)
    : undefined;
}

/** Labels; what is not a string is unknown. */
export function labelSetOf(value: unknown): LabelSet {
  if (value === undefined || value === null) return { values: {}, complete: true };
  const fields = mapOf(value);
  if (fields === undefined) return { values: {}, complete: false };
  const values: Record<string, LabelValue> = {};
  for (const [key, label] of Object.entries(fields)) {
    if (label === undefined) continue;
    values[key] = (typeof label === "string" && !isUnknown(label)) || isSomeValue(label) ? label : unknownValue;
  }
  return { values, complete: true };
}

/** What is unknown or wrong in a map of labels. */
function unknownPartOf(labels: unknown): unknown {
  return (
    Object.values(mapOf(labels) ?? {}).find(
      (value) => isDoubtful(value) || (typeof value !== "string" && !isSomeValue(value)),
    ) ?? labels
  );
}

/** A pod's template, as it lies in the kinds that have one. Nothing for other kinds. */
export function podTemplateOf(object: KubeObject): { metadata: unknown; spec: unknown } | undefined {
  if (object.kind === "Pod" && object.apiVersion === "v1") return { metadata: object.metadata, spec: object.spec };
  if (groupOf(object.apiVersion).endsWith("kubevirt.io")) return machineTemplateOf(object);
  const spec = mapOf(object.spec);
  const holder = object.kind === "CronJob" ? mapOf(mapOf(spec?.["jobTemplate"])?.["spec"]) : spec;
  const template = mapOf(holder?.["template"]);
  const builtIn = /^(apps|batch)\//.test(object.apiVersion) && controllers.has(object.kind);
  // a controller of a known kind has pods, also where its template is not known or cannot be read
  if (template === undefined) return builtIn ? { metadata: unknownValue, spec: unknownValue } : undefined;
  const podSpec = template["spec"];
  const holdsContainers = mapOf(podSpec)?.["containers"] !== undefined || isUnknown(podSpec);
  return builtIn || holdsContainers ? { metadata: template["metadata"], spec: podSpec } : undefined;
}

/** Where the kinds of KubeVirt that run machines have the template of a VirtualMachineInstance; the instance is its own. */
const machinePaths: Readonly<Record<string, readonly string[]>> = {
  VirtualMachineInstance: [],
  VirtualMachine: ["template"],
  VirtualMachineInstanceReplicaSet: ["template"],
  VirtualMachinePool: ["virtualMachineTemplate", "spec", "template"],
};

/**
 * The pod that a virtual machine runs in has the labels of its instance and one of its own; the machine decides which ports
 * it listens on (kubevirt.io, pkg/virt-controller/services/template.go).
 */
function machineTemplateOf(object: KubeObject): { metadata: unknown; spec: unknown } | undefined {
  const path = Object.hasOwn(machinePaths, object.kind) ? machinePaths[object.kind] : undefined;
  if (path === undefined) return undefined;
  let template: unknown = path.length === 0 ? object : object.spec;
  for (const step of path) template = isUnknown(template) ? template : mapOf(template)?.[step];
  const metadata = isUnknown(template) ? unknownValue : mapOf(template)?.["metadata"];
  const labels = isUnknown(metadata) ? unknownValue : (mapOf(metadata)?.["labels"] ?? {});
  const own = { "kubevirt.io": "virt-launcher" };
  return {
    metadata: { ...mapOf(metadata), labels: isUnknown(labels) ? unknownValue : { ...mapOf(labels), ...own } },
    spec: {},
  };
}

const controllers: ReadonlySet<string> = new Set([
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "ReplicaSet",
  "Job",
  "CronJob",
]);

/** Whether objects of a built-in kind of this name run pods. */
export function isWorkloadKind(kind: string): boolean {
  return kind === "Pod" || kind === "ReplicationController" || controllers.has(kind);
}

/** Not known, and nobody's business to know: what controllers fill in is no doubt. */
function isDoubtful(value: unknown): boolean {
  return isUnknown(value) && !isSomeValue(value);
}

export interface ReadWorkload {
  readonly workload: Workload;
  /** Paths of parts that are not known or of the wrong type. */
  readonly doubts: readonly { path: string; message: string; unknown: boolean }[];
}

/** Reads an object into a workload; nothing where it has no pod template. */
export function readWorkload(
  object: KubeObject,
  namespace: string,
  namespaceUnknown: boolean,
  name: string,
  source?: Source,
  topology = true,
): ReadWorkload | undefined {
  const template = podTemplateOf(object);
  if (template === undefined) return undefined;
  const doubts: { path: string; message: string; unknown: boolean }[] = [];
  const doubt: Doubt = (path, value, expected) => {
    const unknown = isUnknown(value);
    doubts.push({ path, message: unknown ? `${path} is not known yet` : `${path} must be ${expected}`, unknown });
  };
  const base =
    object.kind === "Pod" || object.kind === "VirtualMachineInstance"
      ? ""
      : object.kind === "CronJob"
        ? "spec.jobTemplate.spec.template."
        : "spec.template.";
  const { labelSet, annotations } = readMetadata(template.metadata, base, doubt);
  const spec = mapOf(template.spec);
  if (spec === undefined) doubt(`${base}spec`, template.spec, "a map");
  const account = spec === undefined ? template.spec : (spec["serviceAccountName"] ?? spec["serviceAccount"]);
  const accountKnown =
    account === undefined || account === null || (typeof account === "string" && !isUnknown(account));
  if (!accountKnown) doubt(`${base}spec.serviceAccountName`, account, "a string");
  const hostNetwork = spec === undefined ? template.spec : spec["hostNetwork"];
  const hostNetworkKnown = hostNetwork === undefined || hostNetwork === null || typeof hostNetwork === "boolean";
  if (!hostNetworkKnown) doubt(`${base}spec.hostNetwork`, hostNetwork, "true or false");
  const ports = readPorts(spec, template.spec, base, doubt);
  const status = mapOf(object["status"]);
  const workload: Workload = {
    id: `${namespace}/${name}[${object.kind}]`,
    namespace,
    name,
    kind: object.kind,
    labels: knownLabels(labelSet),
    labelSet: withControllerLabels(labelSet, object, topology),
    annotations,
    serviceAccount: accountKnown && typeof account === "string" && account !== "" ? account : "default",
    serviceAccountUnknown: !accountKnown,
    hostNetwork: hostNetwork === true,
    hostNetworkUnknown: !hostNetworkKnown,
    ports: ports.known,
    portsUnknown: !ports.complete,
    addresses: podAddresses(status),
    members: membersIn(status),
    ...(object.kind === "Pod" ? placeOf(spec) : {}),
    namespaceUnknown,
    ...(source === undefined ? {} : { source }),
    object,
  };
  return { workload, doubts };
}

/** What a pod of its own says about its name and its node. */
function placeOf(spec: Fields | undefined): Pick<Workload, "hostName" | "nodeName"> {
  const known = (key: string): string | undefined => {
    const value = spec?.[key];
    return typeof value === "string" && !isUnknown(value) ? value : undefined;
  };
  const [hostName, nodeName] = [known("hostname"), known("nodeName")];
  return { ...(hostName === undefined ? {} : { hostName }), ...(nodeName === undefined ? {} : { nodeName }) };
}

type Doubt = (path: string, value: unknown, expected: string) => void;

/** The labels and annotations of a pod's template. */
function readMetadata(
  value: unknown,
  base: string,
  doubt: Doubt,
): { labelSet: LabelSet; annotations: Record<string, string> } {
  const metadata = mapOf(value);
  const isUnread = metadata === undefined && value !== undefined && value !== null;
  if (isUnread) doubt(`${base}metadata`, value, "a map");
  const labelSet: LabelSet = isUnread ? { values: {}, complete: false } : labelSetOf(metadata?.["labels"]);
  if (!labelSet.complete || Object.values(labelSet.values).some(isDoubtful)) {
    doubt(`${base}metadata.labels`, unknownPartOf(metadata?.["labels"]), "a map of strings");
  }
  // the one annotation that verdicts depend on: whether the pod is in the mesh
  const annotations = mapOf(metadata?.["annotations"]);
  const inject = annotations === undefined ? metadata?.["annotations"] : annotations["sidecar.istio.io/inject"];
  if (inject !== undefined && inject !== null && (typeof inject !== "string" || isUnknown(inject))) {
    doubt(`${base}metadata.annotations`, inject, "a map of strings");
  }
  return { labelSet, annotations: knownLabels(labelSetOf(metadata?.["annotations"])) };
}

function readPorts(
  spec: Fields | undefined,
  whole: unknown,
  base: string,
  doubt: Doubt,
): { known: WorkloadPort[]; complete: boolean } {
  if (spec === undefined) return { known: [], complete: whole === undefined || whole === null };
  const known: WorkloadPort[] = [];
  let complete = true;
  const give = (path: string, value: unknown, expected: string): void => {
    complete = false;
    doubt(path, value, expected);
  };
  const listOf = (value: unknown, path: string): readonly unknown[] => {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value as unknown[];
    give(path, value, "a list");
    return [];
  };
  const sidecars = listOf(spec["initContainers"], `${base}spec.initContainers`).flatMap((container, index) =>
    mapOf(container)?.["restartPolicy"] === "Always"
      ? [{ container, path: `${base}spec.initContainers[${index}]`, sidecar: true }]
      : [],
  );
  const containers = listOf(spec["containers"], `${base}spec.containers`).map((container, index) => ({
    container,
    path: `${base}spec.containers[${index}]`,
    sidecar: false,
  }));
  for (const { container, path, sidecar } of [...containers, ...sidecars]) {
    const fields = mapOf(container);
    if (fields === undefined) {
      give(path, container, "a map");
      continue;
    }
    for (const [place, entry] of listOf(fields["ports"], `${path}.ports`).entries()) {
      const port = readPort(entry);
      if (port === undefined) give(`${path}.ports[${place}]`, entry, "a container port");
      else known.push(sidecar ? { ...port, sidecar: true } : port);
    }
  }
  return { known, complete };
}

function readPort(value: unknown): WorkloadPort | undefined {
  const entry = mapOf(value);
  if (entry === undefined) return undefined;
  const port = entry["containerPort"];
  const protocol = entry["protocol"] ?? "TCP";
  const name = entry["name"];
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65535) return undefined;
  if (protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") return undefined;
  if (name !== undefined && name !== null && (typeof name !== "string" || isUnknown(name))) return undefined;
  const hostPort = entry["hostPort"];
  return {
    port,
    protocol,
    ...(typeof name === "string" ? { name } : {}),
    ...(typeof hostPort === "number" && hostPort > 0 ? { hostPort } : {}),
  };
}

/** The pods that {@link withoutOwned} found to be this controller's; they lie in its status. */
function membersIn(status: Fields | undefined): WorkloadMember[] {
  const pods = status?.["pods"];
  return Array.isArray(pods) ? (pods as WorkloadMember[]) : [];
}

function podAddresses(status: Fields | undefined): string[] {
  if (status === undefined) return [];
  const found = new Set<string>();
  if (typeof status["podIP"] === "string") found.add(status["podIP"]);
  if (Array.isArray(status["podIPs"])) {
    for (const entry of status["podIPs"] as unknown[]) {
      const ip = mapOf(entry)?.["ip"];
      if (typeof ip === "string") found.add(ip);
    }
  }
  return [...found];
}
