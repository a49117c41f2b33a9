import type { Problem, ProblemCode } from "../../reachability";
import { describeRef } from "../../reachability";
import { controls } from "../controls";
import type { Certainty, Finding, Rule, RuleContext, Severity } from "../types";

/**
 * What the engine could not read, or what the enforcer refuses, is named: a policy that says nothing to anybody looks
 * like protection and is none (Cilium stores `ingress: []` and drops it with a log line in the agent).
 */
export const notUnderstood: Rule = {
  id: "not-understood",
  title: "Every object is understood and enforced",
  severity: "high",
  description:
    "No object that verdicts depend on has a field, kind or value that is not understood, and none is stored by the " +
    "API server but refused by the enforcer.",
  remediation: "Correct the field at the given path, or remove the object.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkProblems,
};

interface Wording {
  readonly message: string;
  readonly fix: string;
  readonly certainty: Certainty;
}

const wordings: Readonly<Record<ProblemCode, Wording>> = {
  "invalid-value": {
    message: "holds a value of the wrong type or outside its range",
    fix: "Correct the value; the API server or the enforcer refuses it, or reads it as something else.",
    certainty: "possible",
  },
  unsupported: {
    message: "is of a kind or has a field that is not understood, so what it does is not known",
    fix: "Use a field that is understood, or judge this object by hand and exempt it.",
    certainty: "possible",
  },
  "not-enforced": {
    message: "is stored by the API server and not enforced: nothing of it takes effect",
    fix:
      "Give a direction at least one rule (a rule that allows nothing is written `- {}` for Cilium), and use kinds that " +
      "the cluster's enforcer reads.",
    certainty: "definite",
  },
  "unknown-value": {
    message: "is not known yet, so what depends on it cannot be decided",
    fix: "Pass a literal instead of another resource's output, and order with dependsOn.",
    certainty: "possible",
  },
  unreadable: {
    message: "is no Kubernetes object that can be read",
    fix: "Correct the document.",
    certainty: "possible",
  },
  "not-an-object": {
    message: "is a document without apiVersion and kind",
    fix: "Leave it out of the input, or give it an apiVersion and a kind.",
    certainty: "possible",
  },
  duplicate: {
    message: "appears more than once; which one counts is not defined",
    fix: "Keep one of them.",
    certainty: "possible",
  },
  ambiguous: {
    message: "has an outcome that the API leaves undefined",
    fix: "Give the policies different priorities.",
    certainty: "possible",
  },
};

function* checkProblems(context: RuleContext): Iterable<Finding> {
  for (const problem of context.reachability.snapshot.problems) yield describeProblem(problem);
}

function describeProblem(problem: Problem): Finding {
  const wording = wordings[problem.code];
  const name = problem.object === undefined ? "An object" : describeRef(problem.object);
  const where = problem.path === undefined || problem.path === "" ? name : `${name}: ${problem.path}`;
  return {
    id: notUnderstood.id,
    severity: severityOf(problem),
    certainty: wording.certainty,
    subject: {
      kind: problem.object?.kind ?? "Cluster",
      name: problem.object?.name ?? "cluster",
      ...(problem.object?.namespace === undefined ? {} : { namespace: problem.object.namespace }),
      ...(problem.source === undefined ? {} : { source: problem.source }),
    },
    message: `${where} ${wording.message}`,
    because: [`${problem.code}${problem.affectsVerdicts ? "; verdicts that depend on it are unknown" : ""}`],
    fix: wording.fix,
    controls: notUnderstood.controls,
    // the reader's own words may quote the value
    detail: [problem.message],
    ...(problem.source === undefined ? {} : { causes: [problem.source] }),
  };
}

/** A policy that is not enforced protects nothing; what influences no verdict is only worth a note. */
function severityOf(problem: Problem): Severity {
  if (problem.code === "not-enforced") return "high";
  return problem.affectsVerdicts ? "high" : "low";
}
