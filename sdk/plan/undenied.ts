/** Namespaces without a default deny until a day: the register, what stands on them, and what is said about them. */
import type { PlannedUndenied } from "./documents";
import { undeniedExemption } from "./documents";
import type { Model } from "./model";
import type { Shortfalls } from "./unsupported";

/** The register of them. */
export function undeniedOf({ undenied }: Model): readonly PlannedUndenied[] {
  return undenied.map(({ namespaces, reason, owner, expires, isEnded }) => ({
    namespaces,
    reason,
    owner,
    expires,
    state: isEnded ? "closed" : "open",
  }));
}

/** Tells whoever judges a namespace that it has no default deny on purpose, until when, and who answers for it. */
export function undeniedAnnotations({ undenied }: Model, name: string): Readonly<Record<string, string>> {
  const open = undenied.find(({ namespaces, isEnded }) => !isEnded && namespaces.includes(name));
  if (open === undefined) return {};
  const { owner, expires, reason } = open;
  return { [undeniedExemption]: `owner=${owner.replaceAll(";", ",")}; expires=${expires}; reason=${reason}` };
}

/** Says what is open and what has ended: neither is silent. */
export function noteUndenied({ undenied }: Model, shortfalls: Shortfalls): void {
  for (const { namespaces, owner, expires, isEnded, path } of undenied) {
    const detail = `${namespaces.join(", ")}, ${owner}, until ${expires}`;
    if (isEnded) {
      shortfalls.note(
        "namespaces-closed",
        path,
        "The last day of namespaces without a default deny is over: they are held like any other.",
        "Remove it, or renew it with its owner.",
        detail,
      );
    } else {
      shortfalls.note(
        "namespaces-open",
        path,
        "Namespaces have no default deny until a day; explicit denies, such as those of metadata endpoints, stay in force.",
        "Remove it when the test is over: its pods may call whatever lets them in, and anyone may call them.",
        detail,
      );
    }
  }
}
