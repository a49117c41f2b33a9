import type { Plan } from "../../plan";
import type { Topic } from "./topics";
import { absent, type Evidence } from "./types";

/** What a declaration states on a topic. @param today `YYYY-MM-DD`: what ended or was due before it counts against it */
export function declaredEvidence(topic: Topic, plan: Plan | undefined, today: string): Evidence {
  if (plan === undefined) return absent("no declaration was given");
  const evidence = statements[topic](plan, today);
  return evidence ?? absent("the declaration states nothing about it");
}

type Statement = (plan: Plan, today: string) => Evidence | undefined;

const statements: Readonly<Record<Topic, Statement>> = {
  "default-deny": (plan) => {
    const soft = plan.namespaces.filter(({ mode }) => mode !== "enforce");
    if (soft.length > 0) {
      return fails(
        `${soft.length} of ${plan.namespaces.length} namespaces are declared in mode ${listed(soft.map(({ mode }) => mode))}, where nothing is denied`,
      );
    }
    return holds(
      `a default deny in both directions for ${count(plan.namespaces.length, "declared namespace")}; exempt: ${listed(plan.exemptNamespaces) || "none"}`,
    );
  },
  metadata: ({ metadataAccess }) =>
    metadataAccess.length === 0
      ? holds("every metadata endpoint is denied to every pod")
      : holds(
          `every metadata endpoint is denied, with ${count(metadataAccess.length, "exception")} that names a reason and an owner`,
        ),
  flows: ({ flows }) => holds(`${count(flows.length, "flow")}, each with a reason and an owner`),
  boundary: ({ flows }) => {
    const isOutside = ({ kind }: { readonly kind: string }): boolean => kind === "cidr" || kind === "fqdn";
    const out = flows.filter(({ to }) => isOutside(to)).length;
    const into = flows.filter(({ from }) => isOutside(from)).length;
    const internet = flows.filter(({ from, to }) =>
      [from, to].some((end) => end.kind === "entity" && end.entity === "internet"),
    );
    const parts = [
      ...(out === 0 ? [] : [`${count(out, "flow")} to named hosts or ranges`]),
      ...(into === 0 ? [] : [`${count(into, "flow")} from ranges`]),
      ...(internet.length === 0 ? [] : [`${count(internet.length, "flow")} from or to the whole internet`]),
    ];
    return holds(parts.length === 0 ? "no flow leaves the cluster or enters it" : parts.join(", "));
  },
  tenants: ({ tenants, exceptions }) => {
    if (tenants.length === 0) return undefined;
    const overdue = exceptions.filter(({ state }) => state === "overdue").length;
    const text = `${count(tenants.length, "tenant")}, ${count(exceptions.length, "exception")} between them`;
    return overdue > 0 ? fails(`${text}, ${overdue} of them past their last day`) : holds(text);
  },
  encryption: ({ mesh }) => (mesh === undefined ? undefined : holds(`STRICT mutual TLS in an Istio mesh (${mesh})`)),
  enforcement: ({ dialect, enforcerAudits }) =>
    enforcerAudits
      ? fails("the enforcer is declared to report only (audit mode)")
      : holds(`policies are written for ${dialect} and enforced`),
  monitoring: () => undefined,
  reviews: ({ flows, exceptions, bypasses }, today) => {
    const dated = flows.filter(({ reviewBy }) => reviewBy !== undefined);
    const overdue = dated.filter(({ reviewBy = "" }) => reviewBy < today).length;
    const ended = [...exceptions, ...bypasses].filter(({ state }) => state === "overdue").length;
    if (overdue + ended > 0)
      return fails(`${count(overdue, "review")} and ${count(ended, "exception")} are past their day`);
    if (dated.length === 0) return undefined;
    return holds(`${dated.length} of ${count(flows.length, "flow")} have a day of review; none is past it`);
  },
  changes: () => undefined,
};

function holds(text: string): Evidence {
  return { state: "holds", text };
}

function fails(text: string): Evidence {
  return { state: "fails", text };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function listed(names: readonly string[]): string {
  return [...new Set(names)].join(", ");
}
