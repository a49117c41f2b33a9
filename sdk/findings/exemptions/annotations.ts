import type { KubeObject, Snapshot, Source } from "../../reachability";
import type { Fields } from "../plain";
import { isDate, mapOf, nameOf, textOf } from "../plain";
import { aboutObject } from "../report";
import { tenantsOf } from "../tenants";
import type { Finding, FindingOptions, Subject } from "../types";
import { defaultTiers } from "../types";
import type { ExemptionResult } from "./apply";
import { exemptionOverdue } from "./apply";
import { openedByPolicy, owedTo } from "./opened-by-policy";

/**
 * Exemptions that stand on the object itself, one annotation for each finding:
 *
 * ```yaml
 * metadata:
 *   annotations:
 *     exempt.pulumi-cluster-security/host-access: "owner=platform; expires=2026-12-31; reason=reads the node's logs"
 * ```
 *
 * An annotation covers findings about its own object and no other: that of a Namespace those about the namespace itself,
 * not about what lies in it. One that accepts `metadata-endpoints-closed` on a policy also covers the finding about the
 * pods that reach an endpoint by this policy and by nothing else, which is computed. The owner and the reason are values of the object, so they are in a finding's `detail` only.
 */
const exemptionAnnotationPrefix = "exempt.pulumi-cluster-security/";

/** Whether an object carries such an annotation, whatever it says. */
export function statesExemption(object: KubeObject): boolean {
  return Object.keys(ofObject(object).annotations).some((key) => key.startsWith(exemptionAnnotationPrefix));
}

/** Who may exempt an object by an annotation of its own. */
export interface AnnotationOptions extends Pick<
  FindingOptions,
  "exemptNamespaces" | "platformNamespaces" | "tenants" | "tenantLabels"
> {
  /** `YYYY-MM-DD` (UTC), given by the caller because this room has no clock. */
  readonly today: string;
  /**
   * Where annotations count:
   *
   * - `platform` (the default): in namespaces of tiers 0 and 1, and on objects of the whole cluster. A tenant's or an
   *   application's authors could otherwise exempt themselves.
   * - `applications`: in application namespaces too, but not in those of tenants.
   * - `everywhere`, `nowhere`.
   *
   * One that stands elsewhere covers nothing and is a violation.
   */
  readonly permitted?: "platform" | "applications" | "everywhere" | "nowhere";
}

/** Marks findings that an annotation of their subject covers; see {@link exemptionAnnotationPrefix}. Never throws. */
export function applyAnnotations(
  findings: readonly Finding[],
  snapshot: Snapshot,
  options: AnnotationOptions,
): ExemptionResult {
  const stated = annotationsOf(snapshot, options);
  const covering = new Map<string, Stated>();
  for (const each of stated) if (each.fault === undefined) covering.set(keyOf(each.finding, each.subject), each);
  const openings = coverOfOpenings(findings, snapshot, covering, options);
  return {
    findings: findings.map((finding) => {
      const own = covering.get(keyOf(finding.id, finding.subject)) ?? openings.get(finding);
      const cover = finding.exempt === true ? undefined : own;
      return cover === undefined ? finding : exempted(finding, cover);
    }),
    overdue: stated.flatMap((each) => (each.fault === undefined ? [] : [faultFinding(each, each.fault)])),
  };
}

/** Findings about open endpoints that annotated policies alone are the cause of, with the annotation that ends first. */
function coverOfOpenings(
  findings: readonly Finding[],
  snapshot: Snapshot,
  covering: ReadonlyMap<string, Stated>,
  options: AnnotationOptions,
): ReadonlyMap<Finding, Stated> {
  const accepting = snapshot.policies.flatMap((policy) => {
    const stated = covering.get(keyOf(openedByPolicy, policy));
    return stated === undefined ? [] : [{ policy, stated }];
  });
  const owed = owedTo(
    accepting.map(({ policy }) => policy),
    findings,
    snapshot,
    options,
  );
  return new Map(
    [...owed].flatMap((finding): [Finding, Stated][] => {
      const causing = accepting.filter(({ policy: { source } }) => finding.causes?.some((cause) => cause === source));
      const relevant = causing.length > 0 ? causing : accepting;
      const [first] = relevant.map(({ stated }) => stated).sort((a, b) => (a.expires < b.expires ? -1 : 1));
      return first === undefined ? [] : [[finding, first]];
    }),
  );
}

/** One annotation as it was read. */
interface Stated {
  readonly subject: Subject;
  readonly apiVersion: string;
  /** The id that the annotation's key names. */
  readonly finding: string;
  readonly expires: string;
  readonly owner: string;
  readonly reason: string;
  /** Why it does not count. */
  readonly fault?: string;
}

function keyOf(finding: string, { kind, namespace, name }: Pick<Subject, "kind" | "namespace" | "name">): string {
  return JSON.stringify([finding, kind, namespace ?? "", name]);
}

function exempted(finding: Finding, { expires, owner, reason }: Stated): Finding {
  return {
    ...finding,
    exempt: true,
    message: `${finding.message}; accepted until ${expires} by an annotation of the object`,
    detail: [...(finding.detail ?? []), `accepted by ${owner}: ${reason}`],
  };
}

function faultFinding({ subject, apiVersion, finding }: Stated, fault: string): Finding {
  const { kind, namespace, name, source } = subject;
  const ref = { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) };
  const what = nameOf(finding) ?? "something that is no finding";
  const place = namespace === undefined ? name : `${namespace}/${name}`;
  return aboutObject(exemptionOverdue, source === undefined ? ref : { ...ref, source }, {
    message: `The annotation of ${kind} ${place} that exempts it from ${what} does not count`,
    because: [fault],
  });
}

/** Every exemption that an annotation states. */
function annotationsOf(snapshot: Snapshot, options: AnnotationOptions): Stated[] {
  const tenants = tenantsOf(snapshot, options);
  return [...annotated(snapshot)].flatMap(({ subject, apiVersion, annotations }) =>
    Object.entries(annotations)
      .filter(([key]) => key.startsWith(exemptionAnnotationPrefix))
      .map(([key, value]): Stated => {
        const finding = key.slice(exemptionAnnotationPrefix.length);
        const read = readValue(value);
        const fault = placeFault(subject, tenants, options) ?? read.fault ?? endFault(read.expires, options.today);
        return { subject, apiVersion, finding, ...read, ...(fault === undefined ? {} : { fault }) };
      }),
  );
}

/** `owner=…; expires=…; reason=…`; the reason comes last and may hold anything. */
function readValue(value: unknown): Pick<Stated, "owner" | "expires" | "reason" | "fault"> {
  const match = /^\s*owner=([^;]+);\s*expires=([^;]+);\s*reason=(.+)$/s.exec(textOf(value) ?? "");
  const [owner = "", expires = "", reason = ""] = (match ?? []).slice(1).map((text) => text.trim());
  if (owner === "" || reason === "") {
    const fault = "it is not of the form owner=<who>; expires=<YYYY-MM-DD>; reason=<why>";
    return { owner: "", expires: "", reason: "", fault };
  }
  return { owner, expires, reason };
}

function endFault(expires: string, today: string): string | undefined {
  if (!isDate(expires)) return "its end is not a date of the form YYYY-MM-DD";
  return expires < today ? `it ended on ${expires}` : undefined;
}

/** Why an annotation may not stand where it stands. */
function placeFault(
  { kind, namespace, name }: Subject,
  tenants: ReadonlyMap<string, string>,
  options: AnnotationOptions,
): string | undefined {
  const permitted = options.permitted ?? "platform";
  if (permitted === "everywhere") return undefined;
  if (permitted === "nowhere") return "exemptions are not taken from annotations";
  const home = namespace ?? (kind === "Namespace" ? name : undefined);
  if (home !== undefined && tenants.has(home))
    return "it is in a tenant's namespace, where annotations cannot set exemptions";
  const platform = [
    ...(options.exemptNamespaces ?? defaultTiers.exemptNamespaces),
    ...(options.platformNamespaces ?? defaultTiers.platformNamespaces),
  ];
  if (permitted === "applications" || namespace === undefined || platform.includes(namespace)) return undefined;
  return "it is in an application's namespace, where annotations cannot set exemptions";
}

interface Annotated {
  readonly subject: Subject;
  readonly apiVersion: string;
  readonly annotations: Fields;
}

function* annotated(snapshot: Snapshot): Iterable<Annotated> {
  for (const { name, annotations, source } of snapshot.namespaces.values()) {
    yield { apiVersion: "v1", annotations, subject: { kind: "Namespace", name, ...withSource(source) } };
  }
  for (const { kind, namespace, name, object, source } of [...snapshot.policies, ...snapshot.workloads]) {
    const place = namespace === undefined ? {} : { namespace };
    yield { ...ofObject(object), subject: { kind, name, ...place, ...withSource(source) } };
  }
  for (const { object, source } of snapshot.others) {
    const namespace = textOf(object.metadata?.namespace);
    const place = namespace === undefined ? {} : { namespace };
    const name = nameOf(object.metadata?.name) ?? "(unnamed)";
    yield { ...ofObject(object), subject: { kind: object.kind, name, ...place, ...withSource(source) } };
  }
}

function withSource(source: Source | undefined): { readonly source?: Source } {
  return source === undefined ? {} : { source };
}

function ofObject(object: KubeObject): { readonly apiVersion: string; readonly annotations: Fields } {
  return { apiVersion: object.apiVersion, annotations: mapOf(mapOf(object.metadata)["annotations"]) };
}
