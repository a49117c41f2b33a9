import type { ObjectRef, PolicySource, Source } from "../reachability";
import type { ControlRef } from "./controls";
import type { Certainty, Finding, RuleText, Severity, Subject } from "./types";

/** What is particular to one finding of a rule. */
export interface Details {
  readonly subject: Subject;
  readonly message: string;
  readonly because: readonly string[];
  /** Default: `definite`. */
  readonly certainty?: Certainty;
  /** Default: the rule's. */
  readonly severity?: Severity;
  /** Default: the rule's remediation. */
  readonly fix?: string;
  /** Default: the rule's. */
  readonly controls?: readonly ControlRef[];
  readonly exempt?: boolean;
  readonly detail?: readonly string[];
  readonly causes?: readonly (Source | undefined)[];
}

/** A finding of a rule, with what the rule says for all of them. */
export function findingOf(rule: RuleText, details: Details): Finding {
  const causes = (details.causes ?? []).filter((source) => source !== undefined);
  return {
    id: rule.id,
    severity: details.severity ?? rule.severity,
    certainty: details.certainty ?? "definite",
    subject: details.subject,
    message: details.message,
    because: details.because,
    fix: details.fix ?? rule.remediation,
    controls: details.controls ?? rule.controls,
    ...(details.exempt === true ? { exempt: true } : {}),
    ...(details.detail === undefined ? {} : { detail: details.detail }),
    ...(causes.length === 0 ? {} : { causes }),
  };
}

/** A finding about one object, which is also what causes it. */
export function aboutObject(
  rule: RuleText,
  object: ObjectRef & { readonly source?: Source },
  details: Omit<Details, "subject" | "causes">,
): Finding {
  const { kind, namespace, name, source } = object;
  const subject: Subject = {
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(source === undefined ? {} : { source }),
  };
  return findingOf(rule, { ...details, subject, causes: [source] });
}

/** A finding about one policy object. */
export function aboutPolicy(
  rule: RuleText,
  origin: PolicySource,
  details: Omit<Details, "subject" | "causes">,
): Finding {
  return aboutObject(rule, origin, details);
}
