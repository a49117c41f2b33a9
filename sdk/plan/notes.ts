/** What a plan reports about its declaration, whatever its policy API is. */
import type { PropertyPath } from "../property-path";
import type { PlannedMetadataAccess } from "./documents";
import { metadataServices } from "./metadata-services";
import type { Model } from "./model";
import { exceptionsOf } from "./tenants/exceptions";
import type { Shortfalls } from "./unsupported";

/** An exception is never silent: the plan names it, and so does whatever prints the plan's warnings. */
export function noteMetadataAccess(model: Model, shortfalls: Shortfalls): void {
  for (const { workload, service, owner } of metadataAccessOf(model)) {
    shortfalls.note(
      "metadata-exception",
      ["workloads", workload, "metadataAccess"],
      "Workloads may reach a credential service of the cloud although metadata endpoints are closed.",
      "Review them with their owners.",
      `${service}, ${owner}`,
    );
  }
}

export function noteEndedExceptions(model: Model, shortfalls: Shortfalls): void {
  for (const { tenant, from, to, expires, owner, state } of exceptionsOf(model)) {
    if (state === "open") continue;
    const what = state === "closed" ? "and nothing passes any more" : "and it still lets traffic pass";
    shortfalls.note(
      "exception-ended",
      ["tenants", tenant, "exceptions"],
      "The last day of an exception between tenants is over.",
      "Renew it with its owner, or remove it.",
      `${from} → ${to}, ${owner}, until ${expires}, ${what}`,
    );
  }
}

export function noteOverdueReviews({ asOf, flows, reviewBy }: Model, shortfalls: Shortfalls): void {
  if (asOf === undefined) return;
  const note = (path: PropertyPath): void =>
    shortfalls.note(
      "review-overdue",
      path,
      "The date by which its owner was to review it has passed.",
      "Review it with its owner, and set the next day.",
    );
  if (reviewBy !== undefined && reviewBy < asOf) note(["reviewBy"]);
  for (const flow of flows) {
    if (flow.reviewBy !== undefined && flow.reviewBy !== reviewBy && flow.reviewBy < asOf) note(flow.path);
  }
}

export function metadataAccessOf(model: Model): readonly PlannedMetadataAccess[] {
  return [...model.workloads.values()].flatMap(({ id, metadataAccess }) =>
    metadataAccess.map(({ service, reason, owner, expires }): PlannedMetadataAccess => {
      const { ranges, ports } = metadataServices[service];
      const end = expires === undefined ? {} : { expires };
      return { workload: id, service, addresses: ranges.map(({ cidr }) => cidr), ports, reason, owner, ...end };
    }),
  );
}
