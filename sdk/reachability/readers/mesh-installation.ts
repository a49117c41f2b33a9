/** What a snapshot says of Istio's installation: the pods that the injector's webhooks select, the gateways. */
import type { GatewayMode, MeshInstallation } from "../model/mesh";
import type { SourcedObject } from "../model/objects";
import { NotReadable } from "./fields";
import { namespaceLabels, podLabels, readLabelSelector, type KeyMapping } from "./label-selector";
import { istiodValuesOf, mapInConfigMap } from "./mesh-values";
import { all, always, any, evaluate, never, not, perhaps, test, type Condition } from "../model/selectors/conditions";
import { labelOf, type LabelSet } from "../model/selectors/labels";
import { isUnknown, type Tri } from "../model/unknown";
import { listOf, mapOf, type Fields } from "../model/plain";

const injection = "istio-injection";
const revision = "istio.io/rev";
const inject = "sidecar.istio.io/inject";

const ofNamespace = (key: string, operator: "in" | "exists" | "doesNotExist", ...values: string[]): Condition =>
  test("namespaceLabel", key, operator, ...values);
const ofPod = (key: string, operator: "in" | "notIn" | "exists" | "doesNotExist", ...values: string[]): Condition =>
  test("label", key, operator, ...values);

const notRefused = ofPod(inject, "notIn", "false");
const unlabelled = all(ofNamespace(injection, "doesNotExist"), ofNamespace(revision, "doesNotExist"));

/**
 * The webhooks that the chart `istiod` installs, for the default revision and, since no object says which there are, for
 * every other (istio-discovery/templates/mutatingwebhook.yaml).
 */
const defaultInjected: Condition = any(
  all(ofNamespace(injection, "in", "enabled"), notRefused),
  all(ofNamespace(injection, "doesNotExist"), ofNamespace(revision, "exists"), notRefused),
  all(unlabelled, notRefused, ofPod(revision, "exists")),
  all(unlabelled, ofPod(inject, "in", "true"), ofPod(revision, "doesNotExist")),
);

/** Where nothing says otherwise. */
export const defaultInstallation: MeshInstallation = {
  injected: defaultInjected,
  byDefault: always,
  gateways: new Map(),
};

/** Reads the injector's webhooks, the chart's own where there are none, and the Gateways of Istio's classes. */
export function installationOf(objects: readonly SourcedObject[]): MeshInstallation {
  const webhooks: Condition[] = [];
  const classes = gatewayClassesOf(objects);
  for (const { object } of objects) {
    if (isOf(object, "MutatingWebhookConfiguration", "admissionregistration.k8s.io")) {
      for (const webhook of listOf(object["webhooks"]).map(mapOf)) {
        if (isInjector(webhook)) webhooks.push(selectedBy(webhook));
      }
    }
  }
  const gateways = new Map<string, GatewayMode>();
  for (const { object } of objects) {
    if (!isOf(object, "Gateway", gatewayApi)) continue;
    const className = mapOf(object.spec)["gatewayClassName"];
    const mode = typeof className === "string" ? classes.get(className) : undefined;
    const { namespace, name } = object.metadata ?? {};
    const place = typeof namespace === "string" && namespace !== "" ? namespace : "default";
    if (mode !== undefined && typeof name === "string") gateways.set(`${place}/${name}`, mode);
  }
  const { byDefault, everywhere } = injectorOf(objects);
  const injected = everywhere ? any(defaultInjected, unlabelledNamespaces) : defaultInjected;
  return { injected: webhooks.length === 0 ? injected : any(...webhooks), byDefault, gateways };
}

/** What the Gateways of each class are: istiod's own classes, and others of its controllers. */
export function gatewayClassesOf(objects: readonly SourcedObject[]): ReadonlyMap<string, GatewayMode> {
  const classes = new Map(Object.entries(gatewayClasses));
  for (const { object } of objects) {
    if (!isOf(object, "GatewayClass", gatewayApi)) continue;
    const mode = byKey(gatewayControllers, mapOf(object.spec)["controllerName"]);
    const name = object.metadata?.name;
    if (mode !== undefined && typeof name === "string") classes.set(name, mode);
  }
  return classes;
}

/** The webhook that `sidecarInjectorWebhook.enableNamespacesByDefault` adds. */
const unlabelledNamespaces = all(unlabelled, ofPod(inject, "doesNotExist"), ofPod(revision, "doesNotExist"));

/**
 * What the injector's configuration says of pods that say nothing themselves (injectRequired in istio pkg/kube/inject): of
 * the ConfigMap `istio-sidecar-injector`, or the values that make it. Several that differ are those of revisions, of which
 * any may be a pod's.
 */
function injectorOf(objects: readonly SourcedObject[]): { byDefault: Condition; everywhere: boolean } {
  const found: Condition[] = [];
  let everywhere = false;
  for (const { object } of objects) {
    if (object.kind === "ConfigMap") {
      const name = object.metadata?.name;
      if (typeof name !== "string" || !/^istio-sidecar-injector(-|$)/.test(name)) continue;
      const config = mapInConfigMap(object, "config");
      found.push(config === undefined ? perhaps : byDefaultOf(config, config["policy"]));
      continue;
    }
    const values = istiodValuesOf(object);
    if (values === undefined) continue;
    const webhook = mapOf(values["sidecarInjectorWebhook"]);
    everywhere ||= webhook["enableNamespacesByDefault"] === true;
    found.push(byDefaultOf(webhook, mapOf(mapOf(values["global"])["proxy"])["autoInject"] ?? "enabled"));
  }
  const [first = always, ...more] = found;
  const differ = more.some((each) => JSON.stringify(each) !== JSON.stringify(first));
  return { byDefault: differ ? perhaps : first, everywhere };
}

/** Never-selectors come before always-selectors, and both before the policy; empty ones say nothing. */
function byDefaultOf(config: Fields, policy: unknown): Condition {
  const selectors = (field: string): Condition =>
    any(
      ...listOf(config[field])
        .map(mapOf)
        .filter((each) => Object.keys(each).length > 0)
        .map((each) => selectorIn(each, podLabels)),
    );
  const otherwise = typeof policy !== "string" || isUnknown(policy) ? perhaps : policy === "enabled" ? always : never;
  return all(not(selectors("neverInjectSelector")), any(selectors("alwaysInjectSelector"), otherwise));
}

const byNamespace = new WeakMap<Condition, WeakMap<LabelSet, Tri>>();
const askedOfPods = new WeakMap<Condition, readonly string[]>();

/** Whether some webhook of the injector is called for a pod. */
export function isSelected({ injected }: MeshInstallation, labels: LabelSet, namespace: LabelSet): Tri {
  const judge = (): Tri =>
    evaluate(injected, (field, key) =>
      field === "label" ? labelOf(labels, key) : field === "namespaceLabel" ? labelOf(namespace, key) : undefined,
    );
  let asked = askedOfPods.get(injected);
  if (asked === undefined) askedOfPods.set(injected, (asked = podKeysIn(injected)));
  // most pods have none of the labels that webhooks look at: their namespace decides, once for all of them
  if (asked.some((key) => labelOf(labels, key) !== undefined)) return judge();
  let known = byNamespace.get(injected);
  if (known === undefined) byNamespace.set(injected, (known = new WeakMap()));
  let result = known.get(namespace);
  if (result === undefined) known.set(namespace, (result = judge()));
  return result;
}

/** Whether the injector adds a proxy to a pod that it is called for and that says nothing itself. */
export function isInjectedByDefault({ byDefault }: MeshInstallation, labels: LabelSet): Tri {
  return evaluate(byDefault, (field, key) => (field === "label" ? labelOf(labels, key) : undefined));
}

/** The labels of pods that a condition asks for. */
function podKeysIn(where: Condition): readonly string[] {
  switch (where.op) {
    case "test":
      return where.field === "label" ? [where.key] : [];
    case "not":
      return podKeysIn(where.of);
    case "and":
    case "or":
      return [...new Set(where.of.flatMap(podKeysIn))];
    case "constant":
      return [];
  }
}

const gatewayApi = "gateway.networking.k8s.io";

const gatewayControllers: Readonly<Record<string, GatewayMode>> = {
  "istio.io/gateway-controller": "gateway",
  "istio.io/mesh-controller": "waypoint",
  "istio.io/eastwest-controller": "gateway",
  "istio.io/agentgateway-controller": "gateway",
  "istio.io/agentgateway-waypoint-controller": "waypoint",
};
const gatewayClasses: Readonly<Record<string, GatewayMode>> = {
  istio: "gateway",
  "istio-remote": "gateway",
  "istio-east-west": "gateway",
  "istio-waypoint": "waypoint",
  "istio-agentgateway": "gateway",
  "istio-agentgateway-waypoint": "waypoint",
};

/** What istiod makes of its own gateways' labels (kube-gateway.yaml, waypoint.yaml). */
export function gatewayByLabels(labels: LabelSet): GatewayMode | undefined {
  const managed = labelOf(labels, "gateway.istio.io/managed");
  const controller = typeof managed === "string" ? managed.replace("istio.io-", "istio.io/") : undefined;
  return (
    byKey(gatewayControllers, controller) ??
    byKey(gatewayClasses, labelOf(labels, "gateway.networking.k8s.io/gateway-class-name"))
  );
}

function byKey(table: Readonly<Record<string, GatewayMode>>, key: unknown): GatewayMode | undefined {
  return typeof key === "string" && Object.hasOwn(table, key) ? table[key] : undefined;
}

function isOf(object: SourcedObject["object"], kind: string, group: string): boolean {
  return object.kind === kind && object.apiVersion.startsWith(`${group}/`);
}

/** Istio's own names for them; istioctl and the charts change the prefix only. */
function isInjector(webhook: Fields): boolean {
  const name = webhook["name"];
  return typeof name === "string" && /(^|\.)sidecar-injector\.istio\.io$/.test(name);
}

function selectedBy(webhook: Fields): Condition {
  return all(
    selectorIn(webhook["namespaceSelector"], namespaceLabels),
    selectorIn(webhook["objectSelector"], podLabels),
  );
}

/** A label selector; perhaps where it cannot be read. */
export function selectorIn(selector: unknown, keys: KeyMapping): Condition {
  try {
    return readLabelSelector(selector, "selector", keys);
  } catch (error) {
    if (!(error instanceof NotReadable)) throw error;
    // whom it selects is not known
    return perhaps;
  }
}
