/** What was read of the pods that a selector can mean: whether "no pod" may be said of it. */
import type { KubeObject, ObjectRef, SourcedObject } from "../model/objects";
import { describeRef } from "../model/objects";
import { isUnknown } from "../model/unknown";
import { isAboutNamespaceName, type Condition } from "../model/selectors/conditions";
import { listOf, mapOf } from "../model/plain";
import type { Snapshot } from "../model/snapshot";
import { isPolicy } from "../snapshot/kinds";

/** Whether the pods that a selector can mean are in the snapshot. */
export interface Sight {
  /**
   * `all`: it names namespaces, and workloads of each of them were read. `none`: it names namespaces of which nothing was
   * read. `part`: it names no namespace, or what was read there may not be all.
   */
  readonly seen: "all" | "part" | "none";
  /** Objects from which operators, controllers or Helm make pods there, whose labels are not known. */
  readonly makers: readonly ObjectRef[];
}

/** What the snapshot shows of the pods for which a condition can hold. */
export function sightOf(where: Condition, snapshot: Snapshot): Sight {
  const names = namespacesIn(where);
  if (names === undefined) return { seen: "part", makers: [] };
  const populated = populatedNamespaces(snapshot);
  const known = names.filter((name) => populated.has(name));
  const makers = makersOf(snapshot).flatMap(({ ref, home }) => (names.includes(home) ? [ref] : []));
  if (known.length === 0 && makers.length === 0) return { seen: "none", makers };
  return { seen: known.length === names.length && makers.length === 0 ? "all" : "part", makers };
}

/** Whether every pod for which a condition can hold was read. */
export function isAllRead(where: Condition, snapshot: Snapshot): boolean {
  return sightOf(where, snapshot).seen === "all";
}

/** " that was read", and what else may make such pods; empty where everything there was read. */
export function describeSight({ seen, makers }: Sight): string {
  if (seen === "all") return "";
  const [first] = makers;
  return first === undefined ? " that was read" : ` that was read; ${describeRef(first)} may make one`;
}

/** The namespaces that a condition is limited to, if it names them. */
export function namespacesIn(where: Condition): string[] | undefined {
  for (const condition of where.op === "and" ? where.of : [where]) {
    if (condition.op !== "test" || condition.operator !== "in") continue;
    const values = condition.values.filter((value): value is string => typeof value === "string");
    if (isAboutNamespaceName(condition) && values.length === condition.values.length) return values;
  }
  return undefined;
}

const populatedIn = new WeakMap<Snapshot, ReadonlySet<string>>();

function populatedNamespaces(snapshot: Snapshot): ReadonlySet<string> {
  let names = populatedIn.get(snapshot);
  if (names === undefined) {
    populatedIn.set(snapshot, (names = new Set(snapshot.workloads.map(({ namespace }) => namespace))));
  }
  return names;
}

interface PodMaker {
  readonly ref: ObjectRef;
  /** Where its pods lie. */
  readonly home: string;
}

const makersIn = new WeakMap<Snapshot, readonly PodMaker[]>();

/** Objects of which operators, controllers, Helm or GitOps tools make pods that the snapshot does not hold. */
export function podMakers(snapshot: Snapshot): readonly ObjectRef[] {
  return makersOf(snapshot).map(({ ref }) => ref);
}

/** Objects that are no workload, and of which something makes pods. */
function makersOf(snapshot: Snapshot): readonly PodMaker[] {
  let makers = makersIn.get(snapshot);
  if (makers === undefined) makersIn.set(snapshot, (makers = snapshot.others.flatMap(podMakerOf)));
  return makers;
}

function podMakerOf({ object }: SourcedObject): PodMaker[] {
  const isGenerator = generatesPolicies(object);
  if (!isGenerator && !makesPods(object.apiVersion, object.kind)) return [];
  const { name, namespace } = (object.metadata ?? {}) as Readonly<Record<string, unknown>>;
  // of a namespace that is not known yet, one cannot say that it is this one
  if (isUnknown(namespace)) return [];
  const own = typeof namespace === "string" && namespace !== "" ? namespace : undefined;
  // which namespaces a generator fills is not looked at
  const home = isGenerator
    ? ""
    : ((deploysElsewhere(object.kind) ? targetOf(object.spec) : undefined) ?? own ?? "default");
  return [
    {
      ref: {
        apiVersion: object.apiVersion,
        kind: object.kind,
        name: typeof name === "string" ? name : "(unnamed)",
        ...(own === undefined ? {} : { namespace: own }),
      },
      home,
    },
  ];
}

/** Whether a policy of Kyverno generates policies of the network, such as a default deny for every new namespace. */
function generatesPolicies({ apiVersion, kind, spec }: KubeObject): boolean {
  if (!/^kyverno\.io\//.test(apiVersion) || !/^(Cluster)?Policy$/.test(kind)) return false;
  return listOf(mapOf(spec)["rules"]).some((rule) => {
    const { apiVersion: version, kind: made } = mapOf(mapOf(rule)["generate"]);
    return typeof version === "string" && typeof made === "string" && isPolicy(version, made);
  });
}

/** API groups whose objects are configuration: nothing makes pods of them. A group stands for those below it as well. */
const configuration: readonly string[] = [
  "k8s.io",
  "cilium.io",
  "projectcalico.org",
  "istio.io",
  "cert-manager.io",
  "external-secrets.io",
  "kyverno.io",
  "gatekeeper.sh",
  "bitnami.com",
  "traefik.io",
  "traefik.containo.us",
  "linkerd.io",
  "konghq.com",
  "getambassador.io",
  "metallb.io",
  "crd.k8s.amazonaws.com",
  "source.toolkit.fluxcd.io",
  "notification.toolkit.fluxcd.io",
  "image.toolkit.fluxcd.io",
  "kustomize.config.k8s.io",
  "config.openshift.io",
  "route.openshift.io",
  "kubevirt.io",
  "security.openshift.io",
];

/** Kinds that make pods although their group is mostly configuration. */
const makingKinds: ReadonlySet<string> = new Set([
  "gateway.networking.k8s.io/Gateway",
  "operator.tigera.io/Installation",
]);

/** Kinds that are only settings, in groups whose other kinds make pods. */
const settingKinds: ReadonlySet<string> = new Set([
  "monitoring.coreos.com/ServiceMonitor",
  "monitoring.coreos.com/PodMonitor",
  "monitoring.coreos.com/Probe",
  "monitoring.coreos.com/PrometheusRule",
  "monitoring.coreos.com/AlertmanagerConfig",
  "monitoring.coreos.com/ScrapeConfig",
  "argoproj.io/AppProject",
  "argoproj.io/EventSource",
  "keda.sh/ScaledObject",
  "keda.sh/TriggerAuthentication",
]);

/** Whether something makes pods of objects of a kind, as far as one can tell without its operator. */
function makesPods(apiVersion: string, kind: string): boolean {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  if (makingKinds.has(`${group}/${kind}`)) return true;
  // groups without a dot are Kubernetes' own, and those that make pods are read as workloads
  if (!group.includes(".") || settingKinds.has(`${group}/${kind}`)) return false;
  return !configuration.some((each) => group === each || group.endsWith(`.${each}`));
}

function deploysElsewhere(kind: string): boolean {
  return ["HelmRelease", "Release", "Kustomization", "Application", "ApplicationSet", "HelmChart", "Chart"].includes(
    kind,
  );
}

/** The namespace that a Flux or Argo CD object, or a chart, deploys to by its own word. */
function targetOf(spec: unknown): string | undefined {
  const { targetNamespace, namespace, destination } = (spec ?? {}) as Readonly<Record<string, unknown>>;
  const nested = (destination ?? {}) as Readonly<Record<string, unknown>>;
  return [targetNamespace, namespace, nested["namespace"]].find(
    (each): each is string => typeof each === "string" && each !== "",
  );
}
