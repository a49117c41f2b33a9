/** What people decided: flows, exceptions, reviews, tenants. */
import type { ReportException, ReportFlow, ReportModel, ReportReview } from "../model";
import { markup, type Markup } from "./markup";
import { search, table } from "./tables";
import { ageText, badge, count } from "./words";

export function flowsSection({ flows, at }: ReportModel): Markup {
  return markup`<section id="flows">
    <h2>Declared flows</h2>
    ${
      flows === undefined
        ? markup`<p class="empty">
            No declaration was given, so nobody says here why a path is open and who answers for it. Name one with
            <code>--declaration</code>.
          </p>`
        : flows.length === 0
          ? markup`<p class="empty">The declaration has no flows.</p>`
          : markup`${flows.length > 8 && search("flow-table", "Search flows")}${table(
              "Declared flows",
              ["From", "To", "Ports", "Reason", "Owner", "Computed", "Observed"],
              flows.map((flow) => flowRow(flow, at)),
              { id: "flow-table" },
            )}`
    }
  </section>`;
}

const computedBadges: Readonly<Record<ReportFlow["computed"], readonly [kind: string, sign: string, word: string]>> = {
  allowed: ["holds", "✓", "allowed"],
  denied: ["fails", "✕", "denied"],
  unknown: ["undecided", "?", "undecided"],
  "not asked": ["absent", "–", "not asked"],
};

const observedBadges: Readonly<
  Record<"passed" | "blocked" | "unproved", readonly [kind: string, sign: string, word: string]>
> = {
  passed: ["holds", "✓", "passed"],
  blocked: ["fails", "✕", "blocked"],
  unproved: ["undecided", "?", "unproved"],
};

function flowRow(flow: ReportFlow, at: string): Markup {
  const { from, to, ports, reason, owner, computed, observed, critical, reviewBy } = flow;
  return markup`<tr data-row>
    <td>${from}</td>
    <td>${to}${critical === true && markup` <span class="tag">critical</span>`}</td>
    <td class="ports">${kept(ports)}</td>
    <td class="reason">${reason}${reviewBy !== undefined && markup` <span class="quiet">review by ${reviewBy}</span>`}</td>
    <td>${owner}</td>
    <td>${badge(...computedBadges[computed])}</td>
    <td>
      ${
        observed === undefined
          ? markup`<span class="quiet">–</span>`
          : markup`${badge(...observedBadges[observed.state])} <span class="age">${ageText(observed.at, at)}</span>`
      }
    </td>
  </tr>`;
}

/** A protocol and its port stay on one line. */
function kept(ports: string): string {
  return ports.replaceAll(/(?<!,) /g, "\u00a0");
}

export function exceptionsSection({ exceptions, reviews }: ReportModel): Markup {
  return markup`<section id="exceptions">
    <h2>Exceptions and reviews</h2>
    <h3>Exceptions</h3>
    ${
      exceptions.length === 0
        ? markup`<p class="empty">None is declared, and no finding is accepted.</p>`
        : table("Exceptions", ["State", "Kind", "What", "Reason", "Owner", "Last day"], exceptions.map(exceptionRow))
    }
    <h3>Reviews</h3>
    ${
      reviews.length === 0
        ? markup`<p class="empty">No flow has a day of review.</p>`
        : table("Reviews", ["State", "Due", "Flow", "Owner"], reviews.map(reviewRow))
    }
  </section>`;
}

const exceptionBadges: Readonly<Record<ReportException["state"], readonly [kind: string, sign: string, word: string]>> =
  {
    open: ["undecided", "◷", "open"],
    overdue: ["fails", "✕", "overdue"],
    closed: ["holds", "✓", "closed"],
    "no end": ["undecided", "∞", "no end"],
  };

function exceptionRow({ kind, what, owner, reason, expires, state }: ReportException): Markup {
  return markup`<tr>
    <td>${badge(...exceptionBadges[state])}</td>
    <td>${kind}</td>
    <td>${what}</td>
    <td>${reason}</td>
    <td>${owner}</td>
    <td class="day">${expires ?? "–"}</td>
  </tr>`;
}

const reviewBadges: Readonly<Record<ReportReview["state"], readonly [kind: string, sign: string, word: string]>> = {
  overdue: ["fails", "✕", "overdue"],
  due: ["undecided", "◷", "due soon"],
  later: ["holds", "✓", "later"],
};

function reviewRow({ what, owner, due, state }: ReportReview): Markup {
  return markup`<tr>
    <td>${badge(...reviewBadges[state])}</td>
    <td class="day">${due}</td>
    <td>${what}</td>
    <td>${owner}</td>
  </tr>`;
}

/** Nothing where no namespace belongs to a tenant. */
export function tenantsSection({ tenants }: ReportModel): Markup {
  if (tenants.length === 0) return markup``;
  return markup`<section id="tenants">
    <h2>Tenants</h2>
    ${table(
      "Tenants",
      ["Tenant", "Namespaces", "To other tenants", "From other tenants"],
      tenants.map(
        ({ name, namespaces, outgoing, incoming }) =>
          markup`<tr>
            <th scope="row">${name}</th>
            <td>${namespaces.join(", ")}</td>
            <td>${crossing(outgoing)}</td>
            <td>${crossing(incoming)}</td>
          </tr>`,
      ),
    )}
  </section>`;
}

function crossing(paths: number): Markup {
  return paths === 0 ? badge("holds", "✓", "none") : badge("undecided", "↔", count(paths, "path"));
}
