import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import type { NamespaceDeclaration } from "../declaration";
import { PolicyMode, Tier, defaultExemptNamespaces } from "../declaration";
import type { ProblemCollector } from "../errors";
import { openNamespaces } from "../halves";
import type { Known } from "../inputs";
import type { ModelNamespace, ModelUndenied } from "../model";
import { isDnsLabel, isLabelKey, isLabelValue } from "../names";
import type { Expansion } from "../presets/index";
import type { Reader } from "../reader";
import { readRollout } from "./rollout";
import { undeniedNamespaces } from "./undenied";

/** Reads labels and checks their syntax. */
export function readLabels(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): Readonly<Record<string, string>> | undefined {
  const labels = reader.labels(path, value);
  if (labels === undefined) return undefined;
  for (const [key, text] of Object.entries(labels)) {
    if (!isLabelKey(key)) {
      problems.add(
        [...path, key],
        text,
        "has a key that is no label key",
        "Use prefix/name with letters, digits and -_.",
      );
    }
    if (!isLabelValue(text)) {
      problems.add([...path, key], text, "is not a label value", "Use up to 63 letters, digits, hyphens, dots and _.");
    }
  }
  return labels;
}

/** Reads a namespace's name. */
export function readNamespaceName(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): string | undefined {
  const name = reader.text(path, value);
  if (name !== undefined && !isDnsLabel(name)) {
    problems.add(path, name, "is not a namespace name", "Use lower-case letters, digits and hyphens, at most 63.");
    return undefined;
  }
  return name;
}

/** Tier 0 and the declared namespaces; a namespace that only a preset brings is taken as existing, in tier 1. */
export function readNamespaces(
  reader: Reader,
  problems: ProblemCollector,
  declared: unknown,
  exemptValue: unknown,
  dnsNamespace: string,
  defaultMode: PolicyMode,
  expansions: readonly Expansion[],
  undenied: readonly ModelUndenied[],
): { namespaces: Map<string, ModelNamespace>; exempt: string[] } {
  const exemptList = reader.texts(["exemptNamespaces"], exemptValue) ?? defaultExemptNamespaces;
  exemptList.forEach((name, index) => readNamespaceName(reader, problems, ["exemptNamespaces", index], name));
  const exempt = new Set([...exemptList, dnsNamespace]);

  const namespaces = new Map<string, ModelNamespace>();
  const paths = new Map<string, PropertyPath>();
  reader.list(["namespaces"], declared).forEach((item, index) => {
    const path = ["namespaces", index];
    const known = ["name", "tier", "existing", "mode", "rollout", "labels"];
    const fields = reader.item(path, item, known, "is not a namespace", 'Write it as namespace("shop").');
    if (fields === undefined) return;
    const name = readNamespaceName(reader, problems, [...path, "name"], fields["name"]);
    const chosen = reader.choice([...path, "tier"], fields["tier"], Tier);
    const existing = reader.flag([...path, "existing"], fields["existing"]) ?? false;
    const mode = reader.choice([...path, "mode"], fields["mode"], PolicyMode) ?? defaultMode;
    const rollout = readRollout(reader, problems, [...path, "rollout"], fields["rollout"], mode);
    const labels = readLabels(reader, problems, [...path, "labels"], fields["labels"]) ?? {};
    if (name === undefined) return;
    const first = paths.get(name);
    if (first !== undefined) {
      return problems.add(
        [...path, "name"],
        name,
        `is declared at ${formatPath(first)} already`,
        "Declare each namespace once.",
      );
    }
    paths.set(name, path);
    if (exempt.has(name) && chosen !== undefined && chosen !== Tier.Platform) {
      const fix = "Take it out of exemptNamespaces, or declare it in tier platform.";
      problems.add([...path, "tier"], chosen, "contradicts exemptNamespaces, which puts it in tier 0", fix);
    }
    const tier = exempt.has(name) ? Tier.Platform : (chosen ?? Tier.Applications);
    if (tier === Tier.Platform) exempt.add(name);
    namespaces.set(name, { name, tier, existing, mode, ...(rollout === undefined ? {} : { rollout }), labels });
  });

  for (const name of openNamespaces({ undenied })) exempt.add(name);
  for (const implied of [...expansions.flatMap((each) => each.namespaces), ...undeniedNamespaces(undenied)]) {
    if (!namespaces.has(implied.name)) namespaces.set(implied.name, impliedNamespace(implied, exempt, defaultMode));
  }
  for (const name of exempt) {
    if (!namespaces.has(name)) {
      namespaces.set(name, { name, tier: Tier.Platform, existing: true, mode: defaultMode, labels: {} });
    }
  }
  return { namespaces, exempt: [...exempt].sort() };
}

function impliedNamespace(
  { name, tier, existing, mode, labels }: Known<NamespaceDeclaration>,
  exempt: ReadonlySet<string>,
  defaultMode: PolicyMode,
): ModelNamespace {
  return {
    name,
    tier: exempt.has(name) ? Tier.Platform : (tier ?? Tier.SharedServices),
    existing: existing ?? true,
    mode: mode ?? defaultMode,
    labels: labels ?? {},
  };
}
