import type { Condition, PeerTerm, Problem, ProblemCode, Snapshot } from "../../../reachability";
import { describeRef, isUnknown, isUnmodelled } from "../../../reachability";
import { controls } from "../../controls";
import { mapOf, nameOf } from "../../plain";
import { meshPolicyObjects, policyObjects, rulesOf, testsIn } from "../../policy-rules";
import { aboutObject, aboutPolicy, findingOf } from "../../report";
import { list, withSource } from "../../subjects";
import type { Certainty, Finding, Rule, RuleContext, Severity, Subject } from "../../types";
import { isStaged } from "../installation/staged-only";

/**
 * What the engine could not read, or what the enforcer refuses, is named: a policy that says nothing to anybody looks
 * like protection and is none (Cilium stores `ingress: []` and drops it with a log line in the agent).
 */
export const notUnderstood: Rule = {
  id: "not-understood",
  title: "An object is not understood or not enforced",
  severity: "high",
  why: "A policy that is refused or misread looks like protection and is none.",
  description:
    "No object that verdicts depend on has a field, kind or value that is not understood, and none is stored by the " +
    "API server but refused by the enforcer.",
  remediation: "Correct the field at the given path, or remove the object.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkProblems,
};

interface Wording {
  readonly message: string;
  /** Why it is so, where the reader gives no reason that can be shown. */
  readonly because: string;
  readonly fix: string;
  readonly certainty: Certainty;
}

const wordings: Readonly<Record<ProblemCode, Wording>> = {
  "invalid-value": {
    message: "holds a value of the wrong type or outside its range",
    because: "the API server or the enforcer refuses such a value, or reads it as something else",
    fix: "Correct the value; the API server or the enforcer refuses it, or reads it as something else.",
    certainty: "possible",
  },
  unsupported: {
    message: "is of a kind or has a field that is not understood, so what it does is not known",
    because: "the kind, or a field of it, is none that this version knows",
    fix: "Use a field that is understood, or judge this object by hand and exempt it.",
    certainty: "possible",
  },
  "not-enforced": {
    message: "is stored by the API server and not enforced: nothing of it takes effect",
    because: "the cluster's enforcer does not read the kind, or rejects the object",
    fix: "Use a kind and fields that the cluster's enforcer reads, or take the object away.",
    certainty: "definite",
  },
  "not-read": {
    message: "names an object that was not read, so what it stands for is not known",
    because: "the input does not hold the object",
    fix: "Read that object, too, or correct its name.",
    certainty: "possible",
  },
  "unknown-value": {
    message: "is not known yet, so what depends on it cannot be decided",
    because: "it is an output of another resource, or is filled in later",
    fix: "Pass a literal instead of another resource's output, and order with dependsOn.",
    certainty: "possible",
  },
  unreadable: {
    message: "is no Kubernetes object that can be read",
    because: "the document cannot be parsed",
    fix: "Correct the document.",
    certainty: "possible",
  },
  "not-an-object": {
    message: "is a document without apiVersion and kind",
    because: "every Kubernetes object has both",
    fix: "Leave it out of the input, or give it an apiVersion and a kind.",
    certainty: "possible",
  },
  duplicate: {
    message: "appears more than once, and the copies differ",
    because: "several objects have the same kind, namespace and name, and the one that is applied last counts",
    fix: "Keep one of them, or check the folder of one installation at a time.",
    certainty: "possible",
  },
  variants: {
    message: "differs between overlays, of which one is applied",
    because: "the input holds several overlays, or a patch that was not applied",
    fix: "Check one overlay at a time: kustomize build FOLDER | cluster-security check -, or --render.",
    certainty: "possible",
  },
  ambiguous: {
    message: "has an outcome that the API leaves undefined",
    because: "the API says nothing of policies with the same priority",
    fix: "Give the policies different priorities.",
    certainty: "possible",
  },
};

function* checkProblems(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  const variants: Problem[] = [];
  const alike = new Map<string, Problem[]>();
  // that a staged policy is not enforced is said by a rule of its own
  const staged = new Set(snapshot.policies.filter(isStaged).map(describeRef));
  for (const problem of snapshot.problems) {
    const rehearsed = problem.code === "not-enforced" && problem.object !== undefined;
    if (rehearsed && staged.has(describeRef(problem.object))) continue;
    if (problem.code === "variants") variants.push(problem);
    else alike.set(keyOf(problem), [...(alike.get(keyOf(problem)) ?? []), problem]);
  }
  for (const problems of alike.values()) yield describeProblem(problems, snapshot);
  yield* describeVariants(variants);
  yield* unknownSelectors(snapshot);
  yield* unknownReleases(snapshot);
}

/** Policies whose selectors hold a value that is not known yet: whom they are about is not known either. */
function* unknownSelectors(snapshot: Snapshot): Iterable<Finding> {
  // of what a file leaves open that is said already, once for the object
  const open = new Set(snapshot.problems.filter(isOpenInFile).map(({ source }) => JSON.stringify(source)));
  for (const { origin, parts } of [...policyObjects(snapshot), ...meshPolicyObjects(snapshot)]) {
    if (open.has(JSON.stringify(origin.source))) continue;
    const subject = parts.some((part) => holdsUnknown(part.subject.where));
    const peers = parts.flatMap(rulesOf).filter((rule) => rule.peers.some(peerHoldsUnknown));
    if (!subject && peers.length === 0) continue;
    yield aboutPolicy(notUnderstood, origin, {
      certainty: "possible",
      message: `${describeRef(origin)} selects by a value that is not known yet`,
      because: [
        ...(subject ? ["which pods it is about cannot be decided"] : []),
        ...(peers.length === 0
          ? []
          : [`who is meant cannot be decided: ${list([...new Set(peers.map(({ path }) => path))])}`]),
      ],
      fix: wordings["unknown-value"].fix,
    });
  }
}

/** A placeholder of a template, or an encrypted value, and not the output of another resource. */
function isOpenInFile({ code, source, path }: Problem): boolean {
  return code === "unknown-value" && source?.file !== undefined && source.urn === undefined && path !== undefined;
}

function holdsUnknown(where: Condition): boolean {
  return testsIn(where).some((test) => test.values.some(isUnknown));
}

function peerHoldsUnknown(peer: PeerTerm): boolean {
  if (peer.kind === "and" || peer.kind === "or") return peer.of.some(peerHoldsUnknown);
  if (peer.kind === "not") return peerHoldsUnknown(peer.of);
  return (peer.kind === "pods" || peer.kind === "identities" || peer.kind === "nodes") && holdsUnknown(peer.where);
}

/** A release of which not even the chart is known may be the enforcer's. */
function* unknownReleases(snapshot: Snapshot): Iterable<Finding> {
  for (const { object, source } of snapshot.others) {
    if (object.kind !== "Release" && object.kind !== "HelmRelease" && object.kind !== "Chart") continue;
    if (!isUnknown(object.spec) && !isUnknown(mapOf(object.spec)["chart"])) continue;
    const name = nameOf(mapOf(object.metadata)["name"]) ?? "(unnamed)";
    const about = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name,
      ...(source === undefined ? {} : { source }),
    };
    yield aboutObject(notUnderstood, about, {
      certainty: "possible",
      message: `${object.kind} ${name}: which chart it installs is not known yet, and it may be the enforcer's`,
      because: [wordings["unknown-value"].because],
      fix: wordings["unknown-value"].fix,
    });
  }
}

/** Overlays are alternatives, which is one cause for all objects that differ in them; so is each patch for what it changes. */
function* describeVariants(problems: readonly Problem[]): Iterable<Finding> {
  const byCause = new Map<string, Problem[]>();
  for (const problem of problems) {
    const isPatched = problem.variants?.every(({ line }) => line === undefined) === true;
    const cause = isPatched ? (problem.variants ?? []).map(({ file }) => file ?? "").join(", ") : "";
    byCause.set(cause, [...(byCause.get(cause) ?? []), problem]);
  }
  for (const [patches, about] of byCause) {
    const names = about.flatMap(({ object }) => (object === undefined ? [] : describeRef(object)));
    const [only] = about;
    const subject =
      only?.object === undefined || about.length > 1
        ? { kind: "Cluster", name: "cluster" }
        : withSource(subjectOf(only.object), only.source);
    yield findingOf(notUnderstood, {
      subject,
      severity: "medium",
      certainty: "possible",
      message:
        patches === ""
          ? `${list(names)} ${names.length === 1 ? "differs" : "differ"} between overlays, of which one is applied`
          : `${list(names)} ${names.length === 1 ? "is" : "are"} changed by a patch that was not applied: ${patches}`,
      because: [`${wordings.variants.because}; verdicts that depend on what differs are unknown`],
      fix: wordings.variants.fix,
      causes: about.flatMap(({ source, variants }) => [source, ...(variants ?? [])]),
      detail: about.map(({ message }) => message),
    });
  }
}

function subjectOf({ kind, name, namespace }: NonNullable<Problem["object"]>): Omit<Subject, "source"> {
  return { kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

/**
 * Equal for the same field in several rules of one object, which is one mistake, and for objects of files that the enforcer
 * does not act on for the same reason.
 */
function keyOf({ code, object, source, path, message }: Problem): string {
  const isWhole = path === undefined || path === "";
  if (code === "not-enforced" && isWhole && source?.file !== undefined && source.urn === undefined) {
    return JSON.stringify([code, object?.apiVersion, object?.kind, message]);
  }
  // a kind that is not read is one cause, however many there are of it
  if (code === "unsupported" && isWhole && object !== undefined && source?.urn === undefined) {
    return JSON.stringify([code, object.apiVersion, object.kind, message]);
  }
  if (isOpenInFile({ code, source, path, message, affectsVerdicts: true }))
    return JSON.stringify([code, object, source]);
  return JSON.stringify([code, object, source, path?.replace(/\[\d+\]/g, "[]")]);
}

function describeProblem(problems: readonly Problem[], snapshot: Snapshot): Finding {
  const [problem] = problems as [Problem];
  const wording = wordingOf(problem, snapshot);
  const name = problem.object === undefined ? "An object" : describeRef(problem.object);
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more like it)` : "";
  const where =
    problem.path === undefined || problem.path === "" ? `${name}${more}` : `${name}: ${problem.path}${more}`;
  return {
    id: notUnderstood.id,
    severity: severityOf(problem, snapshot),
    certainty: wording.certainty,
    subject: {
      kind: problem.object?.kind ?? "Cluster",
      name: problem.object?.name ?? "cluster",
      ...(problem.object?.namespace === undefined ? {} : { namespace: problem.object.namespace }),
      ...(problem.source === undefined ? {} : { source: problem.source }),
    },
    message:
      wording === wordings[problem.code] || problem.object !== undefined
        ? `${where} ${wording.message}`
        : wording.message,
    because: [...new Set(problems.map(({ reason }) => reason ?? wording.because))].map(
      (reason) => `${reason}${problem.affectsVerdicts ? "; verdicts that depend on it are unknown" : ""}`,
    ),
    fix: fixOf(problem, wording, snapshot),
    controls: notUnderstood.controls,
    // the reader's own words may quote the value
    detail: problems.map(({ message }) => message),
    ...(problem.source === undefined ? {} : { causes: problems.flatMap(({ source }) => source ?? []) }),
  };
}

/** A part of an object that is not enforced leaves the rest as it is. */
const partNotEnforced: Wording = {
  message: "is not enforced; the rest of the object is",
  because: "the cluster's enforcer does not act on this part of the object",
  fix: "Write it as the cluster's enforcer reads it, or take it away.",
  certainty: "definite",
};

const refusedByIstiod: Wording = {
  message: "is refused by istiod or enforced by nothing",
  because: "istiod's webhook refuses it, or no proxy and no ztunnel acts on it",
  fix: "Correct what istiod refuses, or give the policy a target that a proxy or ztunnel enforces it for.",
  certainty: "definite",
};

/** What a waypoint enforces is known; that others come past it is what leaves verdicts open. */
const enforcedByWaypoint: Wording = {
  message: "is enforced by a waypoint, which not every connection passes",
  because: "connections to the pods' own addresses pass the waypoint by",
  fix:
    "Add an AuthorizationPolicy with a selector for the pods themselves that allows the waypoint's service account, or " +
    "judge this object by hand and exempt it.",
  certainty: "possible",
};

const notFilledIn: Wording = {
  message: "is not known yet, so what depends on it cannot be decided",
  because: "it is filled in later, by a template engine or by whoever decrypts it",
  fix: "Render the template or decrypt the file first, and check what comes of it.",
  certainty: "possible",
};

/** Nothing is read for an enforcer of which only newer versions are known. */
function unmodelled({ profile }: Snapshot): Wording {
  const { title, version = "", oldestModelled = "" } = profile;
  return {
    message: `${title} ${version} is not modelled: what its policies do is not known`,
    because: `${oldestModelled} is the oldest version of ${title} that is modelled`,
    fix: "Name the version that runs with --cni, or upgrade it.",
    certainty: "possible",
  };
}

function wordingOf(problem: Problem, snapshot: Snapshot): Wording {
  const { code, path, object } = problem;
  if (isOpenInFile(problem)) return notFilledIn;
  if (code === "unsupported" && object === undefined && isUnmodelled(snapshot.profile)) return unmodelled(snapshot);
  const istio = object?.apiVersion.startsWith("security.istio.io/") === true;
  if (istio && code === "unsupported" && path?.startsWith("spec.targetRef") === true) return enforcedByWaypoint;
  if (istio && code === "not-enforced") return refusedByIstiod;
  return code === "not-enforced" && path?.startsWith("spec.") === true ? partNotEnforced : wordings[code];
}

/** What to do, in the words of the object's own API. */
function fixOf({ code, object }: Problem, { fix }: Wording, { profile }: Snapshot): string {
  if (code !== "not-enforced" || object?.apiVersion.startsWith("cilium.io/") !== true) return fix;
  if (!profile.policyApis.includes("cilium")) return fix;
  return "Give a direction at least one rule (a rule that allows nothing is written `- {}`), and use fields that the agent reads.";
}

/** A policy that is not enforced protects nothing; what influences no verdict is only worth a note. */
function severityOf(problem: Problem, snapshot: Snapshot): Severity {
  if (wordingOf(problem, snapshot) === partNotEnforced || problem.code === "not-read") return "medium";
  if (problem.code === "not-enforced") return "high";
  if (!problem.affectsVerdicts) return "low";
  return isNoPolicy(problem, snapshot) ? "medium" : "high";
}

/** A Namespace, a Service or a workload protects nothing itself: what it leaves open other findings say, where it opens. */
function isNoPolicy({ object }: Problem, snapshot: Snapshot): boolean {
  if (object === undefined) return false;
  if (object.apiVersion === "v1" && ["Namespace", "Service"].includes(object.kind)) return true;
  const { kind, namespace, name } = object;
  return snapshot.workloads.some((each) => each.kind === kind && each.namespace === namespace && each.name === name);
}
