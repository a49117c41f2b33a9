import type { PropertyPath } from "../property-path";
import * as pulumi from "@pulumi/pulumi";
import type { PortDeclaration, WorkloadDeclaration } from "../plan/index";
import { DeclarationError, Protocol, workload } from "../plan/index";
import { kindOf } from "../plan/errors";

/** What a pod template looks like from outside, whoever made it. */
interface PodTemplate {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: PodSpec;
}

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly hostNetwork?: boolean;
  readonly containers?: readonly { readonly ports?: unknown }[];
}

interface WorkloadSpec {
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>>; readonly matchExpressions?: unknown };
  readonly template?: PodTemplate;
  readonly jobTemplate?: { readonly spec?: WorkloadSpec };
}

/**
 * Declares a workload from what is going to run it, so that labels, ports and service account are written once:
 * a `kx.PodBuilder`, the spec of a Deployment, StatefulSet, DaemonSet, Job or CronJob, arguments with such a `spec`, or
 * such a resource, of `@pulumi/kubernetesx` or of `@pulumi/kubernetes`. Looks at the shape only and imports neither.
 *
 * Await it before the components are made: policies stand before the workload does. A workload that is a resource already
 * (`kx.Deployment`, `kx.Job`) can be given too; it then stands before its policies, so only a clusterwide default deny
 * that was there before protects it from the start. What it is built from (a builder, a spec) is the better source.
 *
 * @param path `namespace/name` of the workload.
 * @throws DeclarationError when labels, ports or service account are not known yet, or there are no labels to select by.
 */
export async function declareWorkload(path: string, source: unknown): Promise<WorkloadDeclaration> {
  const spec = specOf(await known(path, fromResource(fromBuilder(source))));
  const labels = spec?.selector?.matchLabels ?? spec?.template?.metadata?.labels;
  if (spec?.template === undefined || labels === undefined || Object.keys(labels).length === 0) {
    refuse(
      [path],
      source,
      "has no pod template with labels",
      "Give a kx.PodBuilder, a workload's spec, or its arguments.",
    );
  }
  const pod = spec.template.spec ?? {};
  const ports = (pod.containers ?? []).flatMap((container) => portsOf(path, container.ports));
  return workload(path, {
    labels: { ...labels },
    ...(pod.serviceAccountName === undefined ? {} : { serviceAccount: pod.serviceAccountName }),
    ...(pod.hostNetwork === true ? { hostNetwork: true } : {}),
    ...(ports.length === 0 ? {} : { ports }),
  });
}

/** A `kx.PodBuilder` says by itself which labels its pods are going to have. */
function fromBuilder(source: unknown): unknown {
  if (typeof source !== "object" || source === null) return source;
  const builder = source as { asDeploymentSpec?: () => unknown };
  return typeof builder.asDeploymentSpec === "function" ? builder.asDeploymentSpec() : source;
}

/**
 * A Deployment, StatefulSet, DaemonSet, Job or CronJob that is made already (`kx.Deployment`, `kx.Job`): its spec, once it
 * is known. Outputs do not look into resources by themselves.
 */
function fromResource(source: unknown): unknown {
  if (!pulumi.Resource.isInstance(source)) return source;
  const { spec } = source as pulumi.Resource & { spec?: unknown };
  return { spec };
}

/** The value of an output that does not depend on a resource that is still to be made. */
async function known(path: string, source: unknown): Promise<unknown> {
  const output: pulumi.Output<unknown> & { isKnown?: Promise<boolean> } = pulumi.output(source);
  if ((await output.isKnown) === false) {
    const fix = "Write labels, ports and service account as literals: policies are made before the cluster is.";
    refuse([path], { __pulumiOutput: true }, "is not known yet", fix);
  }
  return new Promise((resolve) => output.apply(resolve));
}

function specOf(value: unknown): WorkloadSpec | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { spec } = value as { spec?: WorkloadSpec };
  const found = spec?.template !== undefined || spec?.jobTemplate !== undefined ? spec : (value as WorkloadSpec);
  return found.jobTemplate?.spec ?? found;
}

/** Ports as a list of Kubernetes, or as the map of names to numbers that kubernetesx takes (TCP then). */
function portsOf(path: string, ports: unknown): PortDeclaration[] {
  if (ports === undefined || ports === null) return [];
  if (!Array.isArray(ports)) {
    return Object.entries(ports as Record<string, number>).map(([name, port]) => ({
      name,
      port,
      protocol: Protocol.TCP,
    }));
  }
  return ports.map((item: unknown) => {
    const { containerPort, name, protocol } = item as { containerPort?: number; name?: string; protocol?: string };
    if (containerPort === undefined) refuse([path, "ports"], item, "has no containerPort", "Give the port's number.");
    const chosen = Object.values(Protocol).find((one) => one === (protocol ?? Protocol.TCP));
    if (chosen === undefined) refuse([path, "ports"], protocol, "has an unknown protocol", "Use TCP, UDP or SCTP.");
    return { port: containerPort, protocol: chosen, ...(name === undefined || name === "" ? {} : { name }) };
  });
}

function refuse(path: PropertyPath, value: unknown, message: string, fix: string): never {
  throw new DeclarationError([{ path, kind: kindOf(value), message, fix }]);
}
