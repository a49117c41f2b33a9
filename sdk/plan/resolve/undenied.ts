/** Namespaces without a default deny until a day: who brings them, and whether the day is over. */
import { formatPath, type PropertyPath } from "../../property-path";
import type { NamespaceDeclaration } from "../declaration";
import { Dialect } from "../declaration";
import type { ProblemCollector } from "../errors";
import type { Known } from "../inputs";
import type { ModelTenant, ModelUndenied } from "../model";
import { isDnsLabel } from "../names";
import type { Expansion } from "../presets/index";
import type { Reader } from "../reader";

/** Reads what presets bring. What has ended is marked: its namespaces are held like any other. */
export function readUndenied(
  reader: Reader,
  problems: ProblemCollector,
  expansions: readonly Expansion[],
  { dialect, asOf }: { readonly dialect: Dialect; readonly asOf?: string },
): readonly ModelUndenied[] {
  return expansions.flatMap(({ path, undenied }): ModelUndenied[] => {
    if (undenied === undefined) return [];
    const { namespaces, existing, reason, owner } = undenied;
    const expires = reader.date([...path, "expires"], undenied.expires);
    refuseNames(problems, [...path, "namespaces"], namespaces);
    for (const [field, text] of Object.entries({ reason, owner })) {
      if (text.trim() === "") problems.add([...path, field], text, "is empty", "Say it: nothing is open without it.");
    }
    if (dialect !== Dialect.Cilium) {
      const fix = "Leave it out: the test runs where Cilium enforces, and only there do its denies stay in force.";
      problems.add(path, dialect, "needs the dialect cilium", fix);
    }
    if (expires === undefined) return [];
    const isEnded = asOf !== undefined && expires < asOf;
    return [{ namespaces, existing, reason: reason.trim(), owner: owner.trim(), expires, isEnded, path }];
  });
}

/** As namespaces of the declaration: those that the stack creates, or annotates. */
export function undeniedNamespaces(undenied: readonly ModelUndenied[]): readonly Known<NamespaceDeclaration>[] {
  return undenied.flatMap(({ namespaces, existing }) => namespaces.map((name) => ({ name, existing })));
}

/** A namespace that is also declared, or a tenant's, cannot be open for a test. */
export function refuseOwnedNamespaces(
  problems: ProblemCollector,
  undenied: readonly ModelUndenied[],
  declared: ReadonlySet<string>,
  tenants: readonly ModelTenant[],
): void {
  for (const { namespaces, path } of undenied) {
    for (const [index, name] of namespaces.entries()) {
      const at = [...path, "namespaces", index];
      const tenant = tenants.find((one) => one.namespaces.includes(name));
      const fix = "Take a namespace that nothing else runs in.";
      if (tenant !== undefined) problems.add(at, name, `is a namespace of the tenant ${tenant.name}`, fix);
      else if (declared.has(name)) problems.add(at, name, `is declared in ${formatPath(["namespaces"])} already`, fix);
    }
  }
}

function refuseNames(problems: ProblemCollector, path: PropertyPath, names: readonly string[]): void {
  if (names.length === 0) problems.add(path, names, "names no namespace", "Name those that the test makes.");
  for (const [index, name] of names.entries()) {
    if (!isDnsLabel(name)) {
      const fix = "Use lower-case letters, digits and hyphens, at most 63.";
      problems.add([...path, index], name, "is not a namespace name", fix);
    }
  }
}
