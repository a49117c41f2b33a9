/** A policy that is deleted out of band: which one matters, and what notices. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import type { VerifiedProbe } from "../../sdk/cluster/index";
import type { Flow, SourcedObject } from "../../sdk/reachability/index";
import { isPolicy } from "../../sdk/reachability/index";
import type { ControlPlane } from "../control-plane/index";
import { labContext } from "../control-plane/index";
import { run } from "../toolchain/run";
import { judgeObjects } from "./expected";

/** A policy without which one of the probes would end otherwise, and these probes. */
export interface PolicyThatMatters {
  readonly object: SourcedObject["object"];
  /** Probes whose computed verdict changes without the policy; those that open come first. */
  readonly probes: readonly VerifiedProbe["probe"][];
}

/** The first policy whose absence opens a probed path that must be closed; without such a one, the first that closes one. */
export function policyThatMatters(
  objects: readonly SourcedObject[],
  probes: readonly VerifiedProbe["probe"][],
): PolicyThatMatters | undefined {
  let closing: PolicyThatMatters | undefined;
  for (const candidate of objects.filter(({ object }) => isPolicy(object.apiVersion, object.kind))) {
    const without = judgeObjects(objects.filter((each) => each !== candidate));
    const changed = probes.filter((probe) => without.verdict(flowOf(probe)) !== probe.computed);
    const opened = changed.filter(({ expected }) => expected === "denied");
    if (opened.length > 0) return { object: candidate.object, probes: opened };
    if (changed.length > 0) closing ??= { object: candidate.object, probes: changed };
  }
  return closing;
}

function flowOf({ source, destination, protocol, port }: VerifiedProbe["probe"]): Flow {
  return { source, destination, protocol, port };
}

/** What `cluster-security diff --apply` says about the live cluster and a stack's state. */
export interface Drift {
  /** With `--fail-on any`: 0 nothing differs, 1 something does; others: no answer. */
  readonly code: number;
  readonly output: string;
}

/**
 * Compares what the cluster lets pass now and under the objects of the stack's state, with the command that a user has for
 * it. The state is laid over the cluster: what only the cluster knows (addresses of nodes and pods) is no difference.
 */
export async function driftOf(stack: Stack, controlPlane: ControlPlane): Promise<Drift> {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-drift-"));
  try {
    const file = path.join(folder, "stack.json");
    writeFileSync(file, JSON.stringify(await stack.exportStack()), { mode: 0o600 });
    const cli = path.resolve(__dirname, "..", "..", "sdk", "cli", "main.ts");
    const { code, stdout, stderr } = await run(
      process.execPath,
      [
        ...[require.resolve("tsx/cli"), cli, "diff", `context=${labContext}`, file, "--apply"],
        ...["--kubeconfig", controlPlane.kubeconfigPath, "--fail-on", "any"],
      ],
      { timeout: 60_000 },
    );
    return { code: code ?? -1, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
