import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { GuardSettings } from "../../policypack/settings";
import { settingsFrom } from "../../policypack/settings";
import type { ObservedResource } from "../../policypack/snapshot-from-resources";
import { contentsByCluster } from "../../policypack/snapshot-from-resources";
import { judgeStack } from "../../policypack/stack-phase";
import type { TestResource } from "../../policypack/testing";
import type { Finding } from "../../sdk/findings";
import type { Reachability } from "../../sdk/reachability";
import { buildSnapshot, compile, diff, inferProfile } from "../../sdk/reachability";
import { examples } from "../support/examples";
import { captureProgram } from "./support/capture";
import type { Mutant } from "./support/mutants";
import { mutantsOf } from "./support/mutants";
import { survivors } from "./support/mutation-survivors";

const settings = settingsFrom();
/** `MUTANTS=all` tries every mutant, otherwise the first and the last of each form in each example. */
const all = process.env["MUTANTS"] === "all";

function observed(resources: readonly TestResource[]): ObservedResource[] {
  return resources.map(({ type, name, props }) => ({ type, name, props, urn: `urn:${type}::${name}` }));
}

function judge(resources: readonly TestResource[], given: GuardSettings = settings): Finding[] {
  const circumstances = { today: "2026-11-21", operation: "preview", rootUrn: "urn:stack" } as const;
  return judgeStack(observed(resources), given, circumstances);
}

function textOf({ id, certainty, exempt, subject, message }: Finding): string {
  return JSON.stringify([id, certainty, exempt === true, subject.kind, subject.namespace, subject.name, message]);
}

function reachabilityOf(resources: readonly TestResource[]): Reachability {
  const objects = [...contentsByCluster(observed(resources)).values()].flatMap((contents) => contents.objects);
  return compile(buildSnapshot(objects, { profile: inferProfile(objects) }));
}

function opens(before: Reachability, after: Reachability): boolean {
  for (const difference of diff(before, after)) if (difference.opens) return true;
  return false;
}

/** Mutants of objects outside tier 0, which is exempt by configuration. */
function heldToAccount(resources: readonly TestResource[]): Mutant[] {
  const exempt = resources.filter(({ props }) => {
    const metadata = props["metadata"] as { namespace?: string } | undefined;
    return settings.exemptNamespaces.includes(metadata?.namespace ?? "");
  });
  const names = new Set(exempt.map(({ name }) => name));
  return mutantsOf(resources).filter(({ resource }) => !names.has(resource));
}

function firstAndLast(mutants: readonly Mutant[]): Mutant[] {
  const byForm = new Map<string, Mutant[]>();
  for (const mutant of mutants) byForm.set(mutant.form, [...(byForm.get(mutant.form) ?? []), mutant]);
  return [...byForm.values()].flatMap((same) =>
    [...new Set([same[0], same.at(-1)])].filter((each) => each !== undefined),
  );
}

/** Kinds whose fields decide no path by themselves: there a mutant counts whether or not a path opens. */
const besidePaths = /: (privileged|cluster-admin|audit only|enforcement never|encryption off|flows not seen)$/;

describe("mutation: one field of a good example changed", function () {
  if (all) this.timeout(3_600_000);

  let folder = "";
  before(() => (folder = mkdtempSync(path.join(tmpdir(), "mutation-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** The pack's settings when it is given the state before the change. */
  function knowing(name: string, resources: readonly TestResource[]): GuardSettings {
    const file = path.join(folder, `${name}.json`);
    const state = observed(resources).map(({ urn, type, props }) => ({ urn, type, custom: true, outputs: props }));
    writeFileSync(file, JSON.stringify({ version: 3, deployment: { manifest: {}, resources: state } }));
    return settingsFrom({ previousState: file });
  }

  it("is caught in at least 95 of 100 cases, and each form that no finding names is listed with its reason", async () => {
    let [caught, shownAsChange, missed] = [0, 0, 0];
    const found = { opening: new Set<string>(), without: new Set<string>() };
    for (const { name, program } of await examples()) {
      // two clusters in one stack: mocks cannot tell their providers apart
      if (name === "fleet") continue;
      const resources = await captureProgram(program());
      const known = new Set(judge(resources).map(textOf));
      const before = reachabilityOf(resources);
      const withState = knowing(name, resources);
      for (const mutant of all ? heldToAccount(resources) : firstAndLast(heldToAccount(resources))) {
        const fresh = judge(mutant.resources).filter(
          (finding) => finding.severity !== "info" && !known.has(textOf(finding)),
        );
        if (fresh.length > 0) caught++;
        else if (besidePaths.test(mutant.form) || opens(before, reachabilityOf(mutant.resources))) {
          found.opening.add(mutant.form);
          // a preview that is given the previous state says what opens, and which object does it
          const change = judge(mutant.resources, withState).filter(({ id }) => id === "reachability-change");
          if (change.some(({ subject }) => subject.source?.urn?.endsWith(`::${mutant.resource}`))) shownAsChange++;
          else missed++;
        } else found.without.add(mutant.form);
      }
    }
    const every = caught + shownAsChange + missed;
    const figures = `${caught} by findings, ${shownAsChange} as a change, ${missed} missed`;
    process.stdout.write(`      ${figures}\n`);
    assert.ok(caught > 100, figures);
    assert.ok(caught / every >= 0.95, figures);
    if (all) return;
    assert.deepEqual([...found.opening].sort(), Object.keys(survivors.opening).sort());
    assert.deepEqual([...found.without].sort(), Object.keys(survivors.without).sort());
  });
});
