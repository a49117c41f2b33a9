/** Cases on disk: a cluster, policies, and what was measured. Every disagreement that was ever found becomes one. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse, stringify } from "yaml";
import type { EnforcerName, LabObject, LabProbe } from "../../lab/datapath/index";
import type { Names } from "./by-name";
import type { LabWorld } from "./world";

export interface EnforcementCase {
  readonly title: string;
  /** Who enforced it. Default "cilium". */
  readonly cni?: EnforcerName;
  /** How many nodes it needs. Default 1. */
  readonly nodes?: number;
  readonly world: LabWorld;
  readonly policies: readonly LabObject[];
  /** Names that every source has asked for before the probes, and what the DNS server answered. Default none. */
  readonly asked?: Names;
  readonly probes: readonly (LabProbe & { readonly measured: string })[];
}

const folder = path.join(__dirname, "cases");

/** All cases of an enforcer, by file name. */
export function readCases(enforcer: EnforcerName = "cilium"): EnforcementCase[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map((name) => parse(readFileSync(path.join(folder, name), "utf8")) as EnforcementCase)
    .filter(({ cni = "cilium" }) => cni === enforcer);
}

/** Writes a case and returns its file, relative to the repository. */
export function saveCase(name: string, content: EnforcementCase): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name}.yaml`);
  writeFileSync(file, stringify(content));
  return path.relative(path.resolve(__dirname, "..", ".."), file);
}
