/** What is open, accepted or due by a day, of a declaration and of exemptions. */
import type { Exemption } from "../../findings";
import type { Plan } from "../../plan";
import { describePlannedPeer } from "../../plan";
import { portText } from "./flows";
import type { ReportException, ReportReview } from "./model";

/** The register of exceptions, those that ended included. @param today `YYYY-MM-DD` */
export function reportExceptions(
  plan: Plan | undefined,
  exemptions: readonly Exemption[],
  today: string,
): ReportException[] {
  const planned = plan === undefined ? [] : plannedExceptions(plan, today);
  const accepted = exemptions.map(({ finding, namespace, kind, name, owner, reason, expires }): ReportException => ({
    kind: "exemption",
    what: [finding, "for", kind ?? "", [namespace, name].filter((part) => part !== undefined).join("/")]
      .filter((part) => part !== "")
      .join(" "),
    owner: textOf(owner),
    reason: textOf(reason),
    expires: textOf(expires),
    state: textOf(expires) < today ? "overdue" : "open",
  }));
  return [...planned, ...accepted];
}

function plannedExceptions({ exceptions, bypasses, metadataAccess, undenied }: Plan, today: string): ReportException[] {
  return [
    ...exceptions.map(({ tenant, grantedTo, from, to, ports, owner, reason, expires, state }): ReportException => ({
      kind: "tenant exception",
      what: `${from} to ${to} ${ports.map(portText).join(", ")} (granted by ${tenant} to ${grantedTo})`,
      owner,
      reason,
      expires,
      state: state === "open" && expires < today ? "overdue" : state,
    })),
    ...bypasses.map(({ of, grantedTo, owner, reason, expires, state }): ReportException => ({
      kind: "bypass",
      what: `${of}, by ${grantedTo.join(", ")}`,
      owner,
      reason,
      expires,
      state: state === "open" && expires < today ? "overdue" : state,
    })),
    ...undenied.map(({ namespaces, owner, reason, expires, state }): ReportException => ({
      kind: "no default deny",
      what: namespaces.join(", "),
      owner,
      reason,
      expires,
      state: state === "open" && expires < today ? "overdue" : state,
    })),
    ...metadataAccess.map(({ workload, service, owner, reason, expires }): ReportException => ({
      kind: "metadata access",
      what: `${workload} to ${service}`,
      owner,
      reason,
      ...(expires === undefined ? {} : { expires }),
      state: expires === undefined ? "no end" : expires < today ? "overdue" : "open",
    })),
  ];
}

/** Days ahead in which a review is soon due. */
const soon = 30;

/** Reviews of flows, the first due first. */
export function reportReviews(plan: Plan | undefined, today: string): ReportReview[] {
  const limit = new Date(Date.parse(`${today}T00:00:00Z`) + soon * 86_400_000).toISOString().slice(0, 10);
  return (plan?.flows ?? [])
    .flatMap(({ from, to, owner, reviewBy }): ReportReview[] =>
      reviewBy === undefined
        ? []
        : [
            {
              what: `${describePlannedPeer(from)} to ${describePlannedPeer(to)}`,
              owner,
              due: reviewBy,
              state: reviewBy < today ? "overdue" : reviewBy <= limit ? "due" : "later",
            },
          ],
    )
    .sort((a, b) => (a.due < b.due ? -1 : a.due > b.due ? 1 : 0));
}

/** Exemptions come out of a file as they stand: what a key holds need not be text. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
