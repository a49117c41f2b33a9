import type { ReportFinding, ReportModel, ReportPath } from "../model";
import { namespaceAnchor } from "../graph/graphs";
import { markup, type Markup } from "./markup";
import { table } from "./tables";
import { badge, count, dateText, severityBadge, statusBadge } from "./words";

/** The head of the page: what was looked at, when, and what it comes to. */
export function head(model: ReportModel): Markup {
  const { title, subject, at, versions, complete, problems } = model;
  return markup`<header>
    <h1>${title}</h1>
    <p class="subject">${subject}</p>
    <p class="quiet">${dateText(at)} · read as ${versions.enforcer} enforces it · cluster-security ${versions.tool}</p>
    <p class="verdict ${verdictClass(model)}">${verdict(model)}</p>
    ${
      !complete &&
      markup`<p class="notice" role="note">
        ${
          problems.length > 0
            ? markup`<strong>Not everything could be understood</strong>, so nothing that it may change is called closed or allowed: <a href="#inputs">${count(problems.length, "problem")}</a>.`
            : markup`<strong>No workload and no namespace was read</strong>, so nothing can be said.`
        }
      </p>`
    }
  </header>`;
}

function total({ posture: { violations } }: ReportModel): number {
  return Object.values(violations).reduce((sum, number) => sum + number, 0);
}

function verdictClass(model: ReportModel): string {
  const { critical = 0, high = 0 } = model.posture.violations;
  return critical + high > 0 ? "fails" : total(model) > 0 || !model.complete ? "undecided" : "holds";
}

function verdict(model: ReportModel): Markup {
  const sum = total(model);
  if (sum === 0) {
    return model.complete
      ? markup`<span aria-hidden="true">✓</span> No rule finds a violation.`
      : markup`<span aria-hidden="true">?</span> No rule finds a violation in what could be read.`;
  }
  const parts = Object.entries(model.posture.violations).filter(([, number]) => number > 0);
  const { possible } = model.posture;
  return markup`<span aria-hidden="true">✕</span> <strong>${count(sum, "violation")}</strong>:
    ${parts.map(([severity, number], index) => markup`${index > 0 ? ", " : ""}${number} ${severity}`)}${possible > 0 && markup` (${possible} only possibly)`}`;
}

/** Numbers, and a line for each namespace. */
export function postureSection(model: ReportModel): Markup {
  const { posture, namespaces, flows, exceptions } = model;
  const { pairs, workloads, policies, metadataAddresses } = posture;
  const asked = namespaces.filter(({ defaultDeny }) => defaultDeny !== "exempt");
  const closed = (question: "defaultDeny" | "metadata"): string =>
    `${asked.filter((each) => each[question] === "closed").length} of ${asked.length}`;
  const share = pairs.total === 0 ? "" : ` (${percent(pairs.allowed / pairs.total)})`;
  const overdue = exceptions.filter(({ state }) => state === "overdue").length;
  return markup`<section id="posture">
    <h2>Posture</h2>
    <ul class="tiles">
      ${tile(closed("defaultDeny"), "namespaces with a default deny", `exempt: ${namespaces.length - asked.length}`)}
      ${tile(closed("metadata"), "namespaces closed to cloud metadata", `${metadataAddresses} addresses asked`)}
      ${tile(`${pairs.allowed.toLocaleString("en-GB")}`, "pairs of workloads that can talk", `of ${pairs.total.toLocaleString("en-GB")}${share}${pairs.possible > 0 ? `, ${pairs.possible} more possibly` : ""}`)}
      ${tile(`${workloads}`, "workloads", `${count(policies, "policy").replace("policys", "policies")}, ${count(namespaces.length, "namespace")}`)}
      ${flows === undefined ? "" : flowsTile(flows)}
      ${tile(`${exceptions.filter(({ state }) => state === "open" || state === "no end").length}`, "open exceptions", overdue > 0 ? `and ${overdue} overdue` : "none is overdue")}
    </ul>
    ${
      namespaces.length === 0
        ? markup`<p class="empty">No namespace was read.</p>`
        : table(
            "Namespaces",
            ["Namespace", "Workloads", "Tenant", "Default deny", "Cloud metadata", "Violations"],
            namespaces.map(
              ({ name, workloads: size, tenant, defaultDeny, metadata, violations }, index) =>
                markup`<tr>
                  <th scope="row"><a href="#${namespaceAnchor(index)}">${name}</a></th>
                  <td class="number">${size}</td>
                  <td>${tenant ?? markup`<span class="quiet">–</span>`}</td>
                  <td>${statusBadge(defaultDeny)}</td>
                  <td>${statusBadge(metadata)}</td>
                  <td class="number">${violations}</td>
                </tr>`,
            ),
          )
    }
  </section>`;
}

function flowsTile(flows: NonNullable<ReportModel["flows"]>): Markup {
  const asked = flows.filter(({ computed }) => computed !== "not asked");
  const allowed = asked.filter(({ computed }) => computed === "allowed");
  const undecided = asked.filter(({ computed }) => computed === "unknown").length;
  const rest = flows.length - asked.length;
  const more = [
    // a name stands for what DNS answers, which no policy says
    ...(undecided === 0 ? [] : [`${undecided} ${undecided === 1 ? "is" : "are"} undecided`]),
    ...(rest === 0 ? [] : [`${rest} more ${rest === 1 ? "has" : "have"} an end that cannot be asked about`]),
  ].join("; ");
  return tile(
    `${allowed.length} of ${asked.length}`,
    "declared flows that the policies allow",
    more || "each with a reason and an owner",
  );
}

function tile(number: string, what: string, more: string): Markup {
  return markup`<li>
    <span class="figure">${number}</span><span class="what">${what}</span><span class="quiet">${more}</span>
  </li>`;
}

function percent(share: number): string {
  const text = (share * 100).toFixed(share < 0.1 ? 1 : 0);
  return `${text} %`;
}

/** So many lines of one kind of change stand in the page. */
const shownChanges = 100;

/** What changed; nothing where there is no earlier report. */
export function comparisonSection({ comparison }: ReportModel): Markup {
  if (comparison === undefined) return markup``;
  const { newFindings, goneFindings, openedPaths, closedPaths, changedControls, flows } = comparison;
  const parts = [
    lines("Paths opened", openedPaths.map(pathText), "fails"),
    lines("Paths closed", closedPaths.map(pathText), "holds"),
    findingLines("New findings", newFindings),
    findingLines("Findings gone", goneFindings),
    lines("Flows declared", flows.added.map(plain)),
    lines("Flows no longer declared", flows.removed.map(plain)),
    lines(
      "Controls that changed",
      changedControls.map(({ control, before, after }) => markup`${control}: ${before} → ${after}`),
    ),
  ].filter((part) => part !== undefined);
  return markup`<section id="changes">
    <h2>Changes</h2>
    <p>Against the report of ${dateText(comparison.with.at)} on ${comparison.with.subject}.</p>
    ${parts.length === 0 ? markup`<p class="empty">Nothing changed.</p>` : parts}
  </section>`;
}

function plain(text: string): Markup {
  return markup`${text}`;
}

function pathText({ from, to, traffic }: ReportPath): Markup {
  return markup`${from} → ${to} <span class="traffic">${traffic}</span>`;
}

function findingLines(title: string, findings: readonly ReportFinding[]): Markup | undefined {
  return lines(
    title,
    findings.map(
      ({ severity, rule, message }) => markup`${severityBadge(severity)} <strong>${rule}</strong> ${message}`,
    ),
  );
}

function lines(title: string, items: readonly Markup[], kind?: "holds" | "fails"): Markup | undefined {
  if (items.length === 0) return undefined;
  const shown = items.slice(0, shownChanges);
  return markup`<details class="group" ${items.length <= 20 ? markup` open` : ""}>
    <summary>
      ${kind === undefined ? "" : badge(kind, kind === "fails" ? "+" : "−", "")}<strong>${title}</strong>
      <span class="quiet">${items.length.toLocaleString("en-GB")}</span>
    </summary>
    <ul>
      ${shown.map((item) => markup`<li>${item}</li>`)}
    </ul>
    ${items.length > shown.length && markup`<p class="quiet">and ${items.length - shown.length} more; JSON lists all.</p>`}
  </details>`;
}
