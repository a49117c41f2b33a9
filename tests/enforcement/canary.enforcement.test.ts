/** `EnforcementCanary` on a real engine, with a real Cilium and a real Calico: `up` passes where policies are enforced, and fails where not. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { EnforcementCanary } from "../../sdk/index";
import type { DatapathSettings, Lab } from "../../lab/index";
import { openLab } from "../../lab/index";
import { apiClient, labContext } from "../../lab/control-plane/index";
import { datapathStatus } from "../../lab/datapath/index";
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
    {
      first = () => Promise.resolve(),
      then = () => Promise.resolve(),
      timeoutSeconds = 120,
    }: {
      readonly first?: (lab: Lab) => Promise<void>;
      readonly then?: (lab: Lab) => Promise<void>;
      readonly timeoutSeconds?: number;
    } = {},
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
          const canary = new EnforcementCanary("canary", { timeoutSeconds });
          return { posture: canary.posture };
        },
      });
      await first(lab);
      const up = await operate(stack, "up");
      await then(lab);
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

  for (const calicoMode of ["nftables", "iptables"] as const) {
    it(`S4-20: where Felix enforces with ${calicoMode}, up passes with all three checks`, async function () {
      this.timeout(300_000);
      await skipWithoutCalico(this);
      await passes({ cni: "calico", calicoMode });
    });
  }

  it("S4-20: where a tier in front of Felix's others lets everything pass, up fails and names what did not hold", async function () {
    this.timeout(300_000);
    await skipWithoutCalico(this);
    const v3 = "/apis/projectcalico.org/v3";
    const everything = { selector: "all()", types: ["Ingress", "Egress"], ingress: [{ action: "Allow" }] };
    const letPass = async ({ controlPlane }: Lab): Promise<void> => {
      const client = apiClient(controlPlane);
      try {
        for (const [path, name, spec] of [
          ["tiers", "bypass", { order: 1 }],
          ["globalnetworkpolicies", "bypass.all", { tier: "bypass", ...everything, egress: [{ action: "Allow" }] }],
        ] as const) {
          const { status } = await client.call("POST", `${v3}/${path}`, { metadata: { name }, spec });
          assert.equal(status, 201, name);
        }
      } finally {
        client.close();
      }
    };
    const { up, destroy } = await deployed({ cni: "calico" }, { first: letPass, then: verifyFindsNoEvidence });
    failsAsNotEnforced(up);
    assert.equal(destroy.error, undefined, destroy.output);
  });

  it("S4-20: where Felix is stopped, up fails in the time that the canary has", async function () {
    this.timeout(300_000);
    await skipWithoutCalico(this);
    const { up } = await deployed(
      { cni: "calico" },
      {
        first: () => {
          const felix = datapathStatus().processes["calico-felix-lab-node-1"] ?? assert.fail("Felix runs");
          process.kill(felix, "SIGSTOP");
          return Promise.resolve();
        },
        timeoutSeconds: 1,
      },
    );
    assert.ok(up.error !== undefined, "up must not pass");
    assert.match(up.output, /canary-server-(open|closed)/);
    const jobs = finished(up).filter(({ type }) => type === "kubernetes:batch/v1:Job");
    assert.deepEqual(jobs, [], "no check has said anything");
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
    const { up, destroy } = await deployed({ agentArgs: ["--enable-policy=never"] }, { then: verifyFindsNoEvidence });
    failsAsNotEnforced(up);
    assert.equal(destroy.error, undefined, destroy.output);
  });

  function failsAsNotEnforced(up: Operation): void {
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
  }
});
