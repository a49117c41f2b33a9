/** What a snapshot says of Istio's installation: the pods that the injector's webhooks select, the gateways. */
import type { GatewayMode, MeshInstallation } from "../model/mesh";
import type { SourcedObject } from "../model/objects";
import { NotReadable } from "./fields";
import { namespaceLabels, podLabels, readLabelSelector } from "./label-selector";
import { all, any, evaluate, perhaps, test, type Condition } from "../model/selectors/conditions";
import { labelOf, type LabelSet } from "../model/selectors/labels";
import { type Tri } from "../model/unknown";
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
export const defaultInstallation: MeshInstallation = { injected: defaultInjected, gateways: new Map() };

/** Reads the injector's webhooks, the chart's own where there are none, and the Gateways of Istio's classes. */
export function installationOf(objects: readonly SourcedObject[]): MeshInstallation {
  const webhooks: Condition[] = [];
  const classes = new Map(Object.entries(gatewayClasses));
  for (const { object } of objects) {
    if (isOf(object, "MutatingWebhookConfiguration", "admissionregistration.k8s.io")) {
      for (const webhook of listOf(object["webhooks"]).map(mapOf)) {
        if (isInjector(webhook)) webhooks.push(selectedBy(webhook));
      }
    }
    if (isOf(object, "GatewayClass", gatewayApi)) {
      const mode = byKey(gatewayControllers, mapOf(object.spec)["controllerName"]);
      const name = object.metadata?.name;
      if (mode !== undefined && typeof name === "string") classes.set(name, mode);
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
  return { injected: webhooks.length === 0 ? defaultInjected : any(...webhooks), gateways };
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
};
const gatewayClasses: Readonly<Record<string, GatewayMode>> = {
  istio: "gateway",
  "istio-remote": "gateway",
  "istio-east-west": "gateway",
  "istio-waypoint": "waypoint",
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
  try {
    return all(
      readLabelSelector(webhook["namespaceSelector"], "namespaceSelector", namespaceLabels),
      readLabelSelector(webhook["objectSelector"], "objectSelector", podLabels),
    );
  } catch (error) {
    if (!(error instanceof NotReadable)) throw error;
    // whom it selects is not known
    return perhaps;
  }
}
