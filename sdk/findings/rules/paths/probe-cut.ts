import type { Peer, Workload } from "../../../reachability";
import { meshModeOfWorkload } from "../../../reachability";
import { controls } from "../../controls";
import type { Fields } from "../../plain";
import { mapOf, textOf } from "../../plain";
import { containersOf } from "../../pod-specs";
import { findingOf } from "../../report";
import { describeWorkload, isExempt, list, sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** A pod that its kubelet cannot ask is restarted or taken out of service. */
export const probeCut: Rule = {
  id: "probe-cut",
  title: "The kubelet cannot reach a port that it probes",
  severity: "medium",
  why: "A probe that a policy stops looks like a sick pod: it is restarted over and over, or never gets traffic.",
  description:
    "Every TCP port that a liveness, readiness or startup probe asks is open from the pod's own node, and in Istio's " +
    "ambient mode from 169.254.7.127, the address under which the kubelet then comes; decided by computed reachability.",
  remediation:
    "Take the node out of the deny, or allow the probed port from the pod's own node (Cilium: fromEntities [host]; " +
    "ambient mode: fromCIDR 169.254.7.127/32).",
  controls: [controls.pciServicesApproved],
  check: checkProbes,
};

/** The source of probes in ambient mode (Istio's HOST_PROBE_SNAT_IP). */
const ambientProbes: Peer = { kind: "address", address: "169.254.7.127" };
const ownNode: Peer = { kind: "node", where: "local" };

function* checkProbes(context: RuleContext): Iterable<Finding> {
  const { reachability } = context;
  const { snapshot } = reachability;
  for (const workload of sortedWorkloads(snapshot)) {
    if (workload.hostNetwork || isExempt(context.tiers, workload.namespace)) continue;
    const mode = meshModeOfWorkload(snapshot, workload);
    const ambient = snapshot.profile.probesComeFromMeshAddress && mode === "ambient";
    const source = ambient ? ambientProbes : ownNode;
    const asked = mode === "sidecar" ? askedOfSidecar(workload) : probes(workload);
    const cut = asked.filter(
      ({ port }) =>
        reachability.verdict({ source, destination: { kind: "workload", id: workload.id }, protocol: "TCP", port }) ===
        "denied",
    );
    if (cut.length === 0) continue;
    const from = ambient ? "169.254.7.127, under which the kubelet comes in ambient mode," : "the pod's own node";
    yield findingOf(probeCut, {
      subject: workloadSubject(workload),
      message:
        `${describeWorkload(workload, context.standIns)} cannot be probed on TCP ` +
        list([...new Set(cut.map(({ port }) => String(port)))]),
      because: cut.map(({ path, port }) => `${path} asks TCP ${port}, which ${from} does not reach`),
    });
  }
}

/** Where the injector has the kubelet ask the agent, which asks the application in its place. */
const agentPort = 15020;

/**
 * The probes of a pod with a sidecar: the injector points them at the agent, unless an annotation turns that off. Then
 * the proxy refuses plaintext HTTP, but takes a bare TCP connection (istio pkg/kube/inject/app_probe.go).
 */
function askedOfSidecar(workload: Workload): { path: string; port: number }[] {
  const rewritten = !/^(0|f|F|FALSE|false|False)$/.test(
    workload.annotations["sidecar.istio.io/rewriteAppHTTPProbers"] ?? "true",
  );
  return probes(workload).flatMap(({ path, port }) => {
    if (rewritten) return [{ path, port: agentPort }];
    return path.endsWith(".tcpSocket") ? [] : [{ path, port }];
  });
}

/** Probed TCP ports with the path of the probe. `exec` probes need no network. */
function probes(workload: Workload): { path: string; port: number }[] {
  return containersOf(workload).flatMap(({ path, fields }) =>
    ["livenessProbe", "readinessProbe", "startupProbe"].flatMap((name) => {
      const probe = mapOf(fields[name]);
      return ["httpGet", "tcpSocket", "grpc"].flatMap((how) => {
        const port = portOf(mapOf(probe[how])["port"], workload, fields);
        return port === undefined ? [] : [{ path: `${path}.${name}.${how}`, port }];
      });
    }),
  );
}

function portOf(value: unknown, workload: Workload, container: Fields): number | undefined {
  if (typeof value === "number") return Number.isInteger(value) && value > 0 && value < 65536 ? value : undefined;
  const name = textOf(value);
  if (name === undefined || container["ports"] === undefined) return undefined;
  return workload.ports.find((port) => port.name === name)?.port;
}
