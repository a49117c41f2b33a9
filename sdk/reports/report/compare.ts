import { describeControl } from "../../findings";
import type { ControlEvidence } from "../evidence/types";
import { controlVerdict } from "../evidence/verdict";
import { reportFormat, type ReportComparison, type ReportFinding, type ReportModel, type ReportPath } from "./model";

/** A file is no report of this package; the message says what is wrong. */
export class ReportFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ReportFormatError";
  }
}

/** A report as `report --format json` writes it. @throws ReportFormatError */
export function readReport(value: unknown): ReportModel {
  const format = typeof value === "object" && value !== null ? (value as { format?: unknown }).format : undefined;
  if (format === reportFormat) return value as ReportModel;
  throw new ReportFormatError(
    typeof format === "string" && format.startsWith("cluster-security-report/")
      ? `it has another form (${format}) than this version reads (${reportFormat})`
      : "it is no report: write one with report --format json",
  );
}

/** What changed from an earlier report to this one. */
export function compareReports(before: ReportModel, after: Omit<ReportModel, "comparison">): ReportComparison {
  const flowsOf = ({ flows = [] }: Pick<ReportModel, "flows">): Map<string, string> =>
    new Map(flows.map(({ from, to, ports }) => [`${from} to ${to} ${ports}`, ""]));
  const [oldFlows, newFlows] = [flowsOf(before), flowsOf(after)];
  return {
    with: { at: before.at, subject: before.subject },
    newFindings: without(after.findings, before.findings, keyOfFinding),
    goneFindings: without(before.findings, after.findings, keyOfFinding),
    openedPaths: without(after.paths, before.paths, keyOfPath),
    closedPaths: without(before.paths, after.paths, keyOfPath),
    changedControls: changedControls(before.controls, after.controls),
    flows: {
      added: [...newFlows.keys()].filter((flow) => !oldFlows.has(flow)),
      removed: [...oldFlows.keys()].filter((flow) => !newFlows.has(flow)),
    },
  };
}

function without<T>(items: readonly T[], others: readonly T[], keyOf: (item: T) => string): T[] {
  const known = new Set(others.map(keyOf));
  return items.filter((item) => !known.has(keyOf(item)));
}

/** By what it says, not by the line it stands in. */
function keyOfFinding({ rule, state, subject, message }: ReportFinding): string {
  return JSON.stringify([rule, state, subject, message]);
}

function keyOfPath({ from, to, traffic }: ReportPath): string {
  return JSON.stringify([from, to, traffic]);
}

function changedControls(
  before: readonly ControlEvidence[],
  after: readonly ControlEvidence[],
): ReportComparison["changedControls"] {
  const old = new Map(before.map((each) => [describeControl(each.control), controlVerdict(each)]));
  return after.flatMap((each) => {
    const control = describeControl(each.control);
    const [was, is] = [old.get(control), controlVerdict(each)];
    return was === undefined || was === is ? [] : [{ control, before: was, after: is }];
  });
}
