import type { ControlRef, Finding } from "../../findings";
import { describeControl, isViolation } from "../../findings";
import { findingsOf } from "../evidence/computed";
import type { ControlEvidence, Evidence } from "../evidence/types";
import { controlVerdict } from "../evidence/verdict";
import { describeSource, describeSubject, placeOfFinding } from "../source";
import { uuidOf } from "./uuid";

/** What an assessment is made of. */
export interface AssessmentInput {
  readonly title: string;
  /** When it was made, RFC 3339 with a zone. */
  readonly at: string;
  /** The version of this package. */
  readonly version: string;
  readonly findings: readonly Finding[];
  readonly controls: readonly ControlEvidence[];
  /** What was read, with its sha256 in hex where it is a file. */
  readonly inputs: readonly { readonly name: string; readonly sha256?: string }[];
}

/** The namespace of this package's properties. */
const ns = "urn:pulumi-cluster-security";

/**
 * Assessment results of NIST's Open Security Controls Assessment Language 1.2.1. Each finding is an observation; each control
 * is a finding with three observations of its own: what is declared and computed were examined, what was observed was tested.
 * A control is satisfied only where what was computed holds and nothing of the three fails or contradicts it.
 */
export function assessmentResults(input: AssessmentInput): object {
  const { title, at, version, controls, findings, inputs } = input;
  const plan = uuidOf("plan", at);
  const subjects = subjectsOf(findings);
  const frameworks = [...new Set(controls.map(({ control }) => control.framework))];
  const observations = [
    ...findings.map((finding) => observationOf(finding, at)),
    ...controls.flatMap((each) => evidenceObservations(each, at)),
  ];
  return {
    "assessment-results": {
      uuid: uuidOf("results", title, at, JSON.stringify([findings, controls, inputs])),
      metadata: {
        title: line(title),
        "last-modified": at,
        version: at,
        "oscal-version": "1.2.1",
        props: [{ name: "tool-version", ns, value: line(version) }],
      },
      "import-ap": { href: `#${plan}` },
      results: [
        {
          uuid: uuidOf("result", title, at),
          title: line(title),
          description:
            "Computed from the policies by cluster-security: who can reach whom if the enforcer does what the policies say. What was declared and what was observed is kept apart from it.",
          start: at,
          ...(subjects.length === 0 ? {} : { "local-definitions": { components: subjects.map(componentOf) } }),
          "reviewed-controls": {
            "control-selections":
              frameworks.length === 0
                ? [{ "include-all": {} }]
                : frameworks.map((framework) => selectionOf(framework, controls)),
          },
          ...(observations.length === 0 ? {} : { observations }),
          ...(controls.length === 0 ? {} : { findings: controls.map((each) => findingOf(each, findings)) }),
        },
      ],
      "back-matter": {
        resources: [
          {
            uuid: plan,
            title: "Assessment plan",
            description:
              "Every rule of cluster-security is asked of what was read; docs/findings.md describes each rule and the controls that it bears on.",
          },
          ...inputs.map(resourceOf),
        ],
      },
    },
  };
}

function selectionOf(framework: string, controls: readonly ControlEvidence[]): object {
  return {
    description: text(framework),
    "include-controls": controls
      .filter(({ control }) => control.framework === framework)
      .map(({ control }) => ({ "control-id": controlToken(control) })),
  };
}

/** An id that OSCAL's token allows: `sc-7.5` as NIST's own catalogue writes SC-7(5); others with their framework before them. */
function controlToken({ framework, id }: ControlRef): string {
  const plain = id
    .toLowerCase()
    .replace(/\((\w+)\)/g, ".$1")
    .replace(/[^a-z0-9._-]+/g, "-");
  if (framework.startsWith("NIST SP 800-53")) return plain;
  const prefix = framework
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return `${prefix}_${plain}`;
}

function observationUuid({ id, subject, message }: Finding): string {
  return uuidOf("finding", id, subject.kind, subject.namespace ?? "", subject.name, message);
}

function observationOf(finding: Finding, at: string): object {
  const { id, severity, certainty, message, because, fix, subject } = finding;
  const place = describeSource(placeOfFinding(finding));
  const state = finding.exempt === true ? "exempt" : isViolation(finding) ? "violation" : "info";
  return {
    uuid: observationUuid(finding),
    title: line(id),
    description: text([message, ...because.map((reason) => `because ${reason}`)].join("\n")),
    props: [
      { name: "severity", ns, value: severity },
      { name: "certainty", ns, value: certainty },
      { name: "state", ns, value: state },
      ...(place === undefined ? [] : [{ name: "place", ns, value: line(place) }]),
    ],
    methods: ["EXAMINE"],
    types: ["finding"],
    ...(subject.kind === "Cluster" ? {} : { subjects: [{ "subject-uuid": subjectUuid(finding), type: "component" }] }),
    collected: at,
    remarks: text(`Fix: ${fix}`),
  };
}

function evidenceObservations({ control, declared, computed, observed }: ControlEvidence, at: string): object[] {
  const kinds: [string, Evidence, string][] = [
    ["declared", declared, "EXAMINE"],
    ["computed", computed, "EXAMINE"],
    ["observed", observed, "TEST"],
  ];
  return kinds
    .filter(([, { state }]) => state !== "absent")
    .map(([kind, evidence, method]) => ({
      uuid: uuidOf("evidence", kind, describeControl(control)),
      title: line(`${describeControl(control)}: ${kind}`),
      description: text(evidence.text),
      props: [
        { name: "evidence", ns, value: kind },
        { name: "state", ns, value: evidence.state },
      ],
      methods: [method],
      types: ["control-objective"],
      collected: evidence.at ?? at,
    }));
}

function findingOf(each: ControlEvidence, findings: readonly Finding[]): object {
  const { control, declared, computed, observed } = each;
  const kinds = { declared, computed, observed };
  const state = controlVerdict(each);
  const about = new Set(findingsOf(control, findings).map(observationUuid));
  return {
    uuid: uuidOf("control", describeControl(control)),
    title: line(`${describeControl(control)}: ${control.title}`),
    description: text(
      Object.entries(kinds)
        .map(([kind, evidence]) => `${kind}: ${evidence.text}`)
        .join("\n"),
    ),
    target: {
      type: "objective-id",
      "target-id": controlToken(control),
      status: {
        state: state === "holds" ? "satisfied" : "not-satisfied",
        reason: state === "holds" ? "pass" : state === "fails" ? "fail" : "other",
        remarks:
          state === "undecided"
            ? "It could not be decided."
            : "The rules that bear on the control answer this; they do not show that the control as a whole is met.",
      },
    },
    "related-observations": [
      ...Object.entries(kinds)
        .filter(([, evidence]) => evidence.state !== "absent")
        .map(([kind]) => ({ "observation-uuid": uuidOf("evidence", kind, describeControl(control)) })),
      ...[...about].map((uuid) => ({ "observation-uuid": uuid })),
    ],
  };
}

/** One finding for each subject. */
function subjectsOf(findings: readonly Finding[]): Finding[] {
  const bySubject = new Map(
    findings
      .filter(({ subject }) => subject.kind !== "Cluster")
      .map((finding) => [subjectUuid(finding), finding] as const),
  );
  return [...bySubject.values()];
}

function subjectUuid({ subject: { kind, namespace, name } }: Finding): string {
  return uuidOf("subject", kind, namespace ?? "", name);
}

function componentOf(finding: Finding): object {
  const name = line(describeSubject(finding));
  return {
    uuid: subjectUuid(finding),
    type: "software",
    title: name,
    description: name,
    status: { state: "operational" },
  };
}

function resourceOf({ name, sha256 }: AssessmentInput["inputs"][number]): object {
  return {
    uuid: uuidOf("input", name, sha256 ?? ""),
    title: line(name),
    ...(sha256 === undefined
      ? {}
      : {
          rlinks: [
            {
              href: name.split("/").map(encodeURIComponent).join("/"),
              hashes: [{ algorithm: "SHA-256", value: sha256 }],
            },
          ],
        }),
  };
}

/** Prose: begins and ends with a character that is no space, and is not empty. */
function text(value: string): string {
  const trimmed = value.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd").trim();
  return trimmed === "" ? "-" : trimmed;
}

/** Titles and values: prose of one line. */
function line(value: string): string {
  return text(value.replace(/\s*[\r\n\u0085\u2028\u2029]\s*/g, " "));
}
