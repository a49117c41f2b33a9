import type { KubeObject, Peer, Snapshot, SourcedObject, Workload } from "../../../reachability";
import { controls } from "../../controls";
import type { Fields } from "../../plain";
import { listOf, mapOf, nameOf, textOf } from "../../plain";
import { findingOf } from "../../report";
import { describeWorkload, withSource } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** An admission webhook that the API server cannot call stops every write that it is about. */
export const webhookCut: Rule = {
  id: "webhook-cut",
  title: "The API server cannot reach a webhook that it calls",
  severity: "medium",
  why: "A webhook behind a default deny makes the API server refuse what it is about, also the change that would repair it.",
  description:
    "For every admission webhook, conversion webhook and APIService that a Service of the snapshot serves, the API server " +
    "reaches its pods on their target port; decided by computed reachability.",
  remediation:
    "Allow ingress from the API server (Cilium: fromEntities [kube-apiserver], on AKS and GKE [cluster]) on the webhook's port.",
  controls: [controls.pciServicesApproved],
  check: checkWebhooks,
};

/** A call of the API server to a Service. */
interface Call {
  readonly path: string;
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

function* checkWebhooks(context: RuleContext): Iterable<Finding> {
  const { reachability } = context;
  const { snapshot } = reachability;
  const services = servicesOf(snapshot);
  for (const { object, source } of snapshot.others) {
    for (const call of callsOf(object)) {
      const service = services.get(`${call.namespace}/${call.name}`);
      if (service === undefined) continue;
      const cut = podsBehind(service, call, snapshot).filter(({ workload, port }) => isCut(context, workload, port));
      const first = cut[0];
      if (first === undefined) continue;
      const name = nameOf(object.metadata?.name) ?? "(unnamed)";
      yield findingOf(webhookCut, {
        subject: withSource({ kind: object.kind, name }, source),
        message:
          `The API server cannot call ${describeWorkload(first.workload, context.standIns)} on TCP ${first.port}, ` +
          `which ${object.kind} ${name} sends it to`,
        because: [
          `${call.path} names Service ${call.namespace}/${call.name}, and policies close its pods to the API server`,
        ],
      });
    }
  }
}

/**
 * Whether the API server cannot reach a port. It may run on the pod's own node, from where it always gets through; so a
 * port is cut if it is not open to the API server as such, and closed to every other node.
 */
function isCut({ reachability }: RuleContext, workload: Workload, port: number): boolean {
  const destination: Peer = { kind: "workload", id: workload.id };
  const from = (source: Peer) => reachability.verdict({ source, destination, protocol: "TCP", port });
  return from({ kind: "kubeApiserver" }) !== "allowed" && from({ kind: "node", where: "remote" }) === "denied";
}

function servicesOf(snapshot: Snapshot): Map<string, SourcedObject> {
  const services = snapshot.others.filter(({ object }) => object.kind === "Service" && object.apiVersion === "v1");
  return new Map(
    services.map((service) => {
      const { namespace, name } = service.object.metadata ?? {};
      return [`${textOf(namespace) ?? "default"}/${textOf(name) ?? ""}`, service];
    }),
  );
}

function callsOf(object: KubeObject): Call[] {
  switch (object.kind) {
    case "ValidatingWebhookConfiguration":
    case "MutatingWebhookConfiguration":
      return listOf(object["webhooks"]).flatMap((hook, index) =>
        callOf(mapOf(mapOf(mapOf(hook)["clientConfig"])["service"]), `webhooks[${index}].clientConfig.service`),
      );
    case "CustomResourceDefinition": {
      const config = mapOf(mapOf(mapOf(mapOf(object.spec)["conversion"])["webhook"])["clientConfig"]);
      return callOf(mapOf(config["service"]), "spec.conversion.webhook.clientConfig.service");
    }
    case "APIService":
      return callOf(mapOf(mapOf(object.spec)["service"]), "spec.service");
    default:
      return [];
  }
}

function callOf(service: Fields, path: string): Call[] {
  const [namespace, name] = [nameOf(service["namespace"]), nameOf(service["name"])];
  const port = service["port"] ?? 443;
  return namespace === undefined || name === undefined || typeof port !== "number"
    ? []
    : [{ path, namespace, name, port }];
}

/** The pods that a Service sends a port to, and the port they get it on. */
function podsBehind(service: SourcedObject, call: Call, snapshot: Snapshot): { workload: Workload; port: number }[] {
  const spec = mapOf(service.object.spec);
  const selector = Object.entries(mapOf(spec["selector"]));
  if (selector.length === 0) return [];
  const entry = listOf(spec["ports"])
    .map(mapOf)
    .find((each) => each["port"] === call.port);
  const target = entry?.["targetPort"] ?? call.port;
  return snapshot.workloads
    .filter((workload) => workload.namespace === call.namespace && !workload.hostNetwork)
    .filter((workload) => selector.every(([key, value]) => workload.labels[key] === value))
    .flatMap((workload) => {
      const port = typeof target === "number" ? target : workload.ports.find(({ name }) => name === target)?.port;
      return port === undefined || !Number.isInteger(port) || port < 1 || port > 65535 ? [] : [{ workload, port }];
    });
}
