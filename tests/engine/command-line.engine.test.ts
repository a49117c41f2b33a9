import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import path from "node:path";
import { apiClient } from "../../lab/control-plane/index";
import { loadExample, makeNamespaces, removeNamespaces } from "../../lab/examples/index";
import type { Lab } from "../../lab/index";
import { pack, repository, run, sharedLab } from "./shared-lab";

describe("plain pulumi from the command line, on a real engine and a real API server", () => {
  let lab: Lab;

  const pulumi = (folder: string, ...args: string[]): Promise<{ code: number; output: string }> =>
    run(lab.engine.path, [...args, "--non-interactive", "--color", "never"], {
      cwd: path.join(repository, folder),
      env: { ...lab.env },
    });

  /** `pulumi stack init` leaves the stack's salt beside the program. */
  const forget = (folder: string): void =>
    rmSync(path.join(repository, folder, "Pulumi.command-line.yaml"), { force: true });

  const prepare = async (folder: string): Promise<void> => {
    forget(folder);
    const made = await pulumi(folder, "stack", "init", "command-line");
    assert.equal(made.code, 0, made.output);
    const set = ["config", "set", "allowRemoval", "true", "--stack", "command-line"];
    // the settings of both programs go into a file outside the checkout
    const configured = await pulumi(folder, ...set, "--config-file", configFile());
    assert.equal(configured.code, 0, configured.output);
  };

  const configFile = (): string => path.join(lab.dataDir, "Pulumi.command-line.yaml");

  const operate = (folder: string, ...args: string[]): Promise<{ code: number; output: string }> =>
    pulumi(folder, ...args, "--stack", "command-line", "--config-file", configFile());

  before(async () => {
    lab = await sharedLab();
  });

  after(() => {
    for (const folder of [".", "examples/insecure"]) forget(folder);
  });

  it("runs the root program: preview, up and destroy under the policy pack", async () => {
    const client = apiClient(lab.controlPlane);
    const { expects } = await loadExample("zero-trust-tiers");
    await makeNamespaces(client, expects);
    await prepare(".");
    const preview = await operate(".", "preview", "--policy-pack", pack);
    assert.equal(preview.code, 0, preview.output);
    assert.match(preview.output, /zero-trust-default-deny-all/);
    const up = await operate(".", "up", "--yes", "--skip-preview", "--policy-pack", pack);
    assert.equal(up.code, 0, up.output);
    const destroy = await operate(".", "destroy", "--yes", "--skip-preview");
    assert.equal(destroy.code, 0, destroy.output);
    await removeNamespaces(client, expects).finally(() => client.close());
  });

  it("blocks the insecure program in preview with a non-zero exit code", async () => {
    await prepare("examples/insecure");
    const preview = await operate("examples/insecure", "preview", "--policy-pack", pack);
    assert.notEqual(preview.code, 0);
    assert.match(preview.output, /metadata-endpoints-closed/);
    assert.match(preview.output, /namespace-default-deny/);
  });

  it("offers the components to programs in every language: the engine reads their schema from the checkout", async () => {
    // from another folder: beside a Pulumi.yaml the engine reads the project, not the plugin
    const schema = await run(lab.engine.path, ["package", "get-schema", repository], {
      cwd: lab.dataDir,
      env: { ...lab.env },
    });
    assert.equal(schema.code, 0, schema.output);
    const resources = Object.keys((JSON.parse(schema.output) as { resources: object }).resources);
    for (const name of ["CiliumCni", "ClusterSecurity", "ServiceFlows", "TieredPolicies"]) {
      assert.ok(resources.includes(`pulumi-cluster-security:index:${name}`), resources.join(", "));
    }
  });
});
