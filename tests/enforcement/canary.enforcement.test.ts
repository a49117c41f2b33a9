/** `EnforcementCanary` on a real engine and a real Cilium: `up` passes where policies are enforced, and fails where not. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { EnforcementCanary } from "../../sdk/index";
import type { DatapathSettings, Lab } from "../../lab/index";
import { openLab } from "../../lab/index";
import { labContext } from "../../lab/control-plane/index";
import { run } from "../cli/command";
import type { Operation } from "../engine/automation";
import { finished, openStack, operate } from "../engine/automation";
import { skipWithoutCalico } from "./calico";
import { closeSharedDatapath } from "./shared-datapath";

describe("enforcement: the canary component", () => {
  before(async function () {
    this.timeout(120_000);
    // there is room for one
    await closeSharedDatapath();
  });

  /** `up` of a stack with the canary, then `destroy`, on a cluster of its own. */
  async function deployed(
    datapath: DatapathSettings,
    meanwhile: (lab: Lab) => Promise<void> = () => Promise.resolve(),
  ): Promise<{ up: Operation; destroy: Operation }> {
    const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-canary-"));
    let lab: Lab | undefined;
    try {
      lab = await openLab({ dataDir: folder, quiet: true, fresh: true, datapath });
      const stack = await openStack({
        project: "canary",
        stack: "test",
        lab,
        program: async () => {
          const canary = new EnforcementCanary("canary", { timeoutSeconds: 120 });
          return { posture: canary.posture };
        },
      });
      const up = await operate(stack, "up");
      await meanwhile(lab);
      return { up, destroy: await operate(stack, "destroy") };
    } finally {
      await lab?.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** The command line, on the same cluster: its canary connects under a deny-all, so it tries nothing else. */
  async function verifyFindsNoEvidence({ controlPlane }: Lab): Promise<void> {
    const { code, stdout, stderr } = await run([
      ...["verify", "--context", labContext, "--kubeconfig", controlPlane.kubeconfigPath],
      ...["--create-probe-pods", "--timeout", "1", "--settle", "5", "--format", "tap"],
    ]);
    assert.equal(code, 3, stderr);
    assert.match(stdout, /^not ok 1 - canary: a deny-all does not block$/m);
    assert.match(stdout, /^Bail out! no evidence$/m);
    assert.doesNotMatch(stdout, /^ok /m);
  }

  it("S4-20: where policies are enforced, up passes with all three checks", async function () {
    this.timeout(300_000);
    await passes({});
  });

  it("S4-20: where no Service's address leads to its pods, up fails and says that nothing is proved", async function () {
    this.timeout(300_000);
    await skipWithoutCalico(this);
    // the lab runs no kube-proxy beside Calico
    const { up } = await deployed({ cni: "calico" });
    assert.ok(up.error !== undefined, "up must not pass");
    assert.match(
      up.output,
      /The canary proves nothing: two pods that a NetworkPolicy allows to talk do not reach each other/,
    );
  });

  async function passes(datapath: DatapathSettings): Promise<void> {
    const { up, destroy } = await deployed(datapath);
    assert.equal(up.error, undefined, up.output);
    const jobs = finished(up).filter(({ type, op }) => type === "kubernetes:batch/v1:Job" && op === "create");
    assert.deepEqual(jobs.map(({ name }) => name).sort(), [
      "canary-allowed-pods-must-connect",
      "canary-deny-all-must-block-egress",
      "canary-deny-all-must-block-ingress",
    ]);
    assert.equal(jobs[0]?.name, "canary-allowed-pods-must-connect", "without it the others prove nothing");
    assert.equal(destroy.error, undefined, destroy.output);
  }

  it("S4-20: where they are not, up fails and names what did not hold", async function () {
    this.timeout(300_000);
    const { up, destroy } = await deployed({ agentArgs: ["--enable-policy=never"] }, verifyFindsNoEvidence);
    assert.ok(up.error !== undefined, "up must not pass");
    const failed = /canary-deny-all-must-block-(egress|ingress)/;
    assert.match(up.output, failed);
    assert.match(up.output, /NetworkPolicies are NOT ENFORCED on (egress|ingress) in this cluster/);
    assert.match(up.output, /No policy of this stack protects anything until the CNI enforces them/);
    const passed = finished(up).filter(({ type }) => type === "kubernetes:batch/v1:Job");
    assert.ok(
      passed.some(({ name }) => name === "canary-allowed-pods-must-connect"),
      "the control connects",
    );
    assert.equal(destroy.error, undefined, destroy.output);
  });
});
