/** People who use the command line on a plane, each with a kubeconfig of their own. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { loadAll } from "js-yaml";
import { stringify } from "yaml";
import type { KubeObject } from "../../sdk/reachability/index";
import type { Ran } from "../cli/command";
import { run } from "../cli/command";
import type { Plane } from "./plane";
import { placeOf } from "./plane";

/** The group of everybody that {@link OnCall} makes. */
export const onCall = "system:serviceaccounts:oncall";

/** Service accounts of the namespace `oncall`. Only `eve` is bound to roles, as the command line prints them. */
export class OnCall {
  private constructor(
    private readonly plane: Plane,
    private readonly folder: string,
  ) {}

  /**
   * @param folder Takes the kubeconfigs.
   * @param rights Options of `cluster-security rbac`: what eve may do.
   */
  static async on(plane: Plane, folder: string, rights: readonly string[]): Promise<OnCall> {
    const people = new OnCall(plane, folder);
    await plane.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "oncall" } });
    // exactly the role that the command line prints: what it lacks, the tests lack
    const printed = await run(["rbac", ...rights, "--service-account", "oncall/eve", "--name", "oncall"]);
    assert.equal(printed.code, 0, printed.stderr);
    for (const object of loadAll(printed.stdout) as KubeObject[]) await plane.create(object);
    await people.add("eve");
    return people;
  }

  /** One more person. */
  async add(name: string): Promise<void> {
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: "oncall" } };
    await this.plane.create(account);
    const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
    const { body } = await this.plane.call("POST", `${placeOf(account, name)}/token`, request);
    const { token } = (JSON.parse(body) as { status: { token: string } }).status;
    const { server, certificateAuthority } = this.plane.controlPlane;
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "lab", cluster: { server, "certificate-authority": certificateAuthority } }],
      users: [{ name, user: { token } }],
      contexts: [{ name: "prod", context: { cluster: "lab", user: name } }],
    };
    writeFileSync(path.join(this.folder, name), stringify(config), { mode: 0o600 });
  }

  /** The environment of a person. */
  env(name: string): Record<string, string> {
    return { KUBECONFIG: path.join(this.folder, name) };
  }

  /** `cluster-security bypass …` by a person. */
  bypass(args: readonly string[], name = "eve"): Promise<Ran> {
    return run(["bypass", ...args], { env: this.env(name) });
  }

  /** Opens a bypass without being asked. */
  open(target: string, time: string, ...more: string[]): Promise<Ran> {
    return this.bypass(["open", target, "--for", time, ...stated, "--yes", ...more]);
  }
}

/** What everybody states who opens a bypass. */
export const stated: readonly string[] = [
  ...["--owner", "shop", "--reason", "incident 7"],
  ...["--context", "prod", "--cni", "kubernetes"],
];
