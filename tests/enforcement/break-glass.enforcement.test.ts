/** A bypass of break glass on a real Cilium and a real Calico: packets pass while it is open, and no longer. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient } from "../../lab/control-plane/index";
import { apiClient } from "../../lab/control-plane/index";
import type { EnforcerName, LabObject, LabProbe } from "../../lab/datapath/index";
import { dialectsOf } from "../../lab/whole-way/index";
import { bypassRole } from "../../sdk/cluster/index";
import type { PlannedObject } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";
import type { Ran } from "../cli/command";
import { run } from "../cli/command";
import { Watch } from "../break-glass/watch";
import { makeVerifier, verifierContext } from "../cluster/verifier";
import { skipWithoutCalico } from "./calico";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import { applications, declarationIn, podsOf } from "./shop";

const pods = podsOf(applications);
const home = "shop-back";

/** "Gone at most 15 seconds after its end", with what packets need to notice. */
const afterItsEnd = 15_000;

const probe = (to: string, port: number, from = `${home}/api`): LabProbe => ({ from, to, port, protocol: "tcp" });
const undeclared = [probe("world", 8443), probe(`${home}/api`, 9000, "world")] as const;
const metadata = probe("169.254.169.254", 80);
const declared = probe(`${home}/primary`, 5432);

const suiteOn = (cni: EnforcerName) => (): void => {
  const [dialect] = dialectsOf[cni];
  let on: SharedDatapath;
  let admin: ApiClient;
  let folder: string;
  /** Absent where kube-state-metrics or Prometheus are not to be had. */
  let watch: Watch | undefined;
  let policies: LabObject[] = [];
  let others: PlannedObject[] = [];

  before(async function () {
    // builds what is missing
    this.timeout(0);
    if (cni === "calico") await skipWithoutCalico(this);
    on = await sharedDatapath({ cni });
    admin = apiClient(on.controlPlane);
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-glass-"));
    for (const name of ["shop-front", home]) await on.cluster.namespace(name);
    await on.cluster.addPods(pods);
    await on.cluster.untilReadyIn("kube-system");
    const grant = {
      name: "nights",
      grantedTo: ["system:serviceaccounts:default"],
      workloads: [`${home}/api`],
      reason: "nights",
      owner: "ops",
    };
    const declaration = { ...declarationIn(dialect), breakGlass: [grant] };
    watch = await Watch.over(on.controlPlane, declaration, folder);
    const planned = plan(declaration).documents.map(({ object }) => object);
    const isGuard = ({ apiVersion }: PlannedObject): boolean => apiVersion.startsWith("admissionregistration.");
    policies = planned.filter((object) => !isGuard(object)) as unknown as LabObject[];
    others = planned.filter(isGuard);
    for (const object of others) await create(object);
    const states = await on.cluster.apply(policies);
    assert.ok(states.every(({ state }) => state === "enforced"));
    const serviceAccount = { namespace: "default", name: "eve" };
    await makeVerifier(on.controlPlane, admin, { name: "eve", file: path.join(folder, "eve") });
    for (const role of bypassRole({ name: "eve-opens", serviceAccount, namespaces: [home], groups: [] })) {
      await create(role as unknown as PlannedObject);
    }
  });

  after(async () => {
    watch?.stop();
    if (folder === undefined) return;
    for (const { apiVersion, kind, metadata: about } of others) {
      await admin.call("DELETE", `/apis/${apiVersion}/${kind.toLowerCase().replace(/y$/, "ie")}s/${about.name}`);
    }
    await on.cluster.remove(policies);
    await on.cluster.removePods(pods);
    admin.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function create(object: PlannedObject): Promise<void> {
    const { apiVersion, kind, metadata: about } = object;
    const place = about.namespace === undefined ? "" : `namespaces/${about.namespace}/`;
    const plural = `${kind.toLowerCase().replace(/y$/, "ie")}s`;
    const { status, body } = await admin.call("POST", `/apis/${apiVersion}/${place}${plural}`, object);
    assert.ok(status < 300, `${kind} ${about.name}: ${JSON.stringify(body)}`);
  }

  const bypass = (...args: string[]): Promise<Ran> =>
    run(["bypass", ...args, "--context", verifierContext, "--kubeconfig", path.join(folder, "eve")]);

  async function verdicts(probes: readonly LabProbe[]): Promise<string[]> {
    return (await on.cluster.probe(probes)).map(({ verdict }) => verdict);
  }

  async function until(wanted: string, probes: readonly LabProbe[], within: number): Promise<void> {
    const begun = Date.now();
    for (;;) {
      const found = await verdicts(probes);
      if (found.every((one) => one === wanted)) return;
      assert.ok(Date.now() - begun < within, `${found.join()} in place of ${wanted} after ${within} ms`);
      await sleep(200);
    }
  }

  it("S2-15, S3-29: passes and is told while it is open, keeps metadata closed, and is denied again though nobody does anything", async function () {
    this.timeout(240_000);
    await until("denied", [...undeclared, metadata], 20_000);
    await until("allowed", [declared], 20_000);
    const opened = await bypass("open", `${home}/api`, "--for", "45s", "--owner", "o", "--reason", "r", "--yes");
    assert.equal(opened.code, 0, `${opened.stdout}\n${opened.stderr}`);
    const [, end = "", timer = ""] = /open until (\S+), by timer shop-back\/(\S+);/.exec(opened.stderr) ?? [];
    const ends = Date.parse(end);
    await until("allowed", undeclared, 10_000);
    assert.deepEqual(await verdicts([metadata, declared]), ["denied", "allowed"]);
    await watch?.until("BreakGlassOpen", timer, true, 40);
    assert.ok(Date.now() < ends, "told while it is open");
    await sleep(Math.max(0, ends - Date.now()));
    await until("denied", undeclared, afterItsEnd);
    console.log(`      denied again ${((Date.now() - ends) / 1000).toFixed(1)} s after its end`);
    assert.deepEqual(await verdicts([metadata, declared]), ["denied", "allowed"]);
    // the label is left over: it opens nothing
    const list = await bypass("list", "--format", "json");
    assert.deepEqual(
      (JSON.parse(list.stdout) as { state: string }[]).map(({ state }) => state),
      ["closed"],
      list.stderr,
    );
  });

  it("S3-29: refuses what its grant does not say, in the API of this enforcer, too", async () => {
    const [guard] = others.filter(({ metadata: { name } }) => name.includes("bypasses"));
    assert.ok(guard !== undefined);
    const at = { cilium: "cilium.io/v2", calico: "projectcalico.org/v3" }[cni];
    const resource = cni === "cilium" ? "ciliumnetworkpolicies" : "networkpolicies";
    const name = cni === "cilium" ? "break-glass-nights-abcdefgh" : "default.break-glass-nights-abcdefgh";
    const object = {
      apiVersion: at,
      kind: cni === "cilium" ? "CiliumNetworkPolicy" : "NetworkPolicy",
      metadata: {
        name,
        namespace: home,
        labels: { "policy-bypass.pulumi-cluster-security/timer": "break-glass-nights-abcdefgh" },
      },
      spec:
        cni === "cilium"
          ? { endpointSelector: {}, egress: [{}] }
          : { selector: "all()", egress: [{ action: "Allow" }] },
    };
    const { status, body } = await admin.call("POST", `/apis/${at}/namespaces/${home}/${resource}`, object);
    assert.equal(status, 422, JSON.stringify(body));
    assert.match(JSON.stringify(body), /protect-break-glass-bypasses-in-shop-back/);
  });
};

describe("enforcement: break glass with Cilium", suiteOn("cilium"));
describe("enforcement: break glass with Calico", suiteOn("calico"));
