import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import type { Finding, FindingOptions } from "../../sdk/findings";
import { evaluate, isViolation } from "../../sdk/findings";
import type { KubeObject, Reachability, SourcedObject } from "../../sdk/reachability";
import { buildSnapshot, compile, inferProfile, profileFor } from "../../sdk/reachability";

/** Objects of YAML documents, each with the URN `urn:<kind>:<name>` as its source. */
export function objects(yaml: string): SourcedObject[] {
  return (loadAll(yaml) as (KubeObject | null)[])
    .filter((object): object is KubeObject => object !== null && object !== undefined)
    .map((object) => ({ object, source: { urn: `urn:${object.kind}:${object.metadata?.name ?? ""}` } }));
}

/** The engine's answers for YAML documents under an enforcer (default: inferred). */
export function reachabilityOf(yaml: string, enforcer?: string): Reachability {
  const all = objects(yaml);
  const profile = enforcer === undefined ? inferProfile(all) : profileFor(enforcer);
  return compile(buildSnapshot(all, { profile }));
}

/** Every finding of one rule in YAML documents. */
export function findingsOf(
  id: string,
  yaml: string,
  options: FindingOptions & { readonly enforcer?: string } = {},
): Finding[] {
  return evaluate(reachabilityOf(yaml, options.enforcer), options).filter((finding) => finding.id === id);
}

/** Only what is wrong or may be wrong. */
export function violationsOf(...args: Parameters<typeof findingsOf>): Finding[] {
  return findingsOf(...args).filter(isViolation);
}

/** Every finding must be fit to be shown: sentences, a fix, controls, a source to point at. */
export function assertShowable(finding: Finding): void {
  assert.match(finding.message, /^\S.*[^.\s]$/s, "a sentence without its full stop");
  assert.ok(finding.because.length > 0 && finding.because.every((reason) => reason !== ""), "says why");
  assert.match(finding.fix, /^[A-Z].*\.$/s, "says what to do");
  assert.ok(finding.controls.length > 0, "refers to controls");
}
