/** Reads what an audit compares: the baseline, the cluster, the API server's log. */
import { existsSync, statSync } from "node:fs";
import * as path from "node:path";
import { AuditLogReader, baselineOf, type BaselineObject } from "../../audit";
import { auditedKinds } from "../../cluster/kinds";
import { withoutOwned } from "../../cluster/owners";
import type { Plan } from "../../plan";
import { isPolicy, isUnreadable, type KubeObject, type Problem, type SourcedObject } from "../../reachability";
import { planned, planOf } from "../declaration-file";
import { inputError, usageError } from "../errors";
import { reading } from "../interruption";
import { describeProblem } from "../problems";
import { note, readOptionsOf, type InputOptions } from "../snapshot";
import { isModule } from "../module-file";
import { declarationFrom } from "../sources/declaration";
import { textOf, textOfStandardInput } from "../sources/files";
import { readFlowLines } from "../sources/flow-lines";
import { readSources, readText } from "../sources/read";
import type { SourceContent } from "../sources/types";

/** One side of an audit. */
interface Side<T extends SourcedObject = SourcedObject> {
  readonly objects: readonly T[];
  /** What could not be read, one sentence each. */
  readonly gaps: readonly string[];
  /** A policy may be missing from the objects. */
  readonly holes: boolean;
}

/** The baseline, and what a declaration says about the cluster. */
export interface Baseline extends Side<BaselineObject> {
  readonly mayAudit: boolean;
  readonly exemptNamespaces: readonly string[];
}

/** The cluster, and the kinds that its role hides. */
export interface Live extends Side {
  readonly unlisted: readonly Pick<KubeObject, "apiVersion" | "kind">[];
}

/**
 * Reads baselines: Pulumi states, manifests, declarations, `-`.
 *
 * @throws CliError where one is not there, cannot be read as a whole, or holds no object.
 */
export async function readBaseline(specs: readonly string[], options: InputOptions): Promise<Baseline> {
  const parts: Baseline[] = [];
  for (const spec of specs) parts.push(await readOne(spec, options));
  const objects = parts.flatMap((part) => part.objects);
  const gaps = parts.flatMap((part) => part.gaps);
  if (objects.length === 0) {
    for (const gap of gaps) process.stderr.write(`problem: ${gap}\n`);
    throw inputError(`there is no Kubernetes object to be read in ${specs.join(", ")}: there is no baseline`);
  }
  return {
    objects,
    gaps,
    holes: parts.some(({ holes }) => holes),
    mayAudit: parts.some(({ mayAudit }) => mayAudit),
    exemptNamespaces: parts.flatMap(({ exemptNamespaces }) => exemptNamespaces),
  };
}

async function readOne(spec: string, options: InputOptions): Promise<Baseline> {
  if (spec.startsWith("context=")) {
    throw usageError("--baseline: name what the cluster should be, a state, a folder or a declaration; no cluster");
  }
  if (isModule(spec)) return ofPlan(await planOf(spec), spec);
  if (spec === "-") {
    const text = await textOfStandardInput();
    const declared = declarationFrom(text);
    if (declared !== undefined) return ofPlan(planned(spec, declared), "standard input");
    return ofContent(readText(text, undefined, options.as), options);
  }
  const declared = existsSync(spec) && statSync(spec).isFile() ? declarationFrom(textOf(spec)) : undefined;
  if (declared !== undefined) return ofPlan(planned(spec, declared), spec);
  return ofContent(await readSources([spec], readOptionsOf(options)), options);
}

function ofPlan(found: Plan, file: string): Baseline {
  return {
    objects: baselineOf(found, file),
    gaps: [],
    holes: false,
    mayAudit: found.enforcerAudits,
    exemptNamespaces: found.exemptNamespaces,
  };
}

function ofContent(content: SourceContent, options: InputOptions): Baseline {
  for (const text of content.notes) note(`note: ${text}`, options);
  return { ...sideOf(content), mayAudit: false, exemptNamespaces: [] };
}

function sideOf({ objects, problems }: SourceContent): Side {
  const serious = problems.filter((problem) => problem.affectsVerdicts || problem.code === "unreadable");
  const holes =
    problems.some(({ affectsVerdicts }) => affectsVerdicts) || objects.some(({ object }) => isUnreadable(object));
  return { objects, gaps: describeAll(serious), holes };
}

function describeAll(problems: readonly Problem[]): readonly string[] {
  return [...new Set(problems.map(describeProblem))];
}

/** The cluster of a context, with who wrote which fields. */
export async function readLive(context: string, options: InputOptions): Promise<Live> {
  if (context === "") throw usageError("--context needs the name of a context of your kubeconfig");
  const cluster = await import("../../cluster/index.js");
  const { kubeconfig } = options;
  const connection = await cluster.connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  const client = new cluster.ApiClient(connection, { onRetry: (text) => note(text, options) });
  note(`reading the cluster of context ${context}`, options);
  const { objects, problems, unlisted } = await reading(() =>
    cluster.readLiveObjects(client, {
      cluster: context,
      more: cluster.auditedKinds,
      keepsManagers: (kind) => !/^(Pod|ReplicaSet|EndpointSlice|Node|Job)$/.test(kind),
    }),
  );
  const side = sideOf({ objects, problems, notes: [] });
  return { ...side, objects: withoutOwned(side.objects), unlisted };
}

/**
 * Files that stand for a cluster: `kubectl get … -o yaml --show-managed-fields`. They may have been made of some kinds only:
 * where they hold no object of a kind besides policies, nothing is missing of it, and that is a gap.
 */
export async function readLiveFiles(
  specs: readonly string[],
  baseline: readonly SourcedObject[],
  options: InputOptions,
): Promise<Live> {
  const content = await readSources(specs, readOptionsOf(options));
  for (const text of content.notes) note(`note: ${text}`, options);
  const side = sideOf(content);
  if (side.objects.length === 0) throw inputError(`there is no Kubernetes object to be read in ${specs.join(", ")}`);
  const kinds = new Set(side.objects.map(({ object }) => object.kind));
  const absent = new Map(
    baseline
      .filter(
        ({ object }) => !isPolicy(object.apiVersion, object.kind) && isAudited(object.kind) && !kinds.has(object.kind),
      )
      .map(({ object }) => [object.kind, object]),
  );
  const gaps = [...absent.keys()].map(
    (kind) => `${specs.join(", ")} holds no ${kind}: those of the baseline were not compared`,
  );
  return {
    ...side,
    gaps: [...side.gaps, ...gaps],
    objects: withoutOwned(side.objects),
    unlisted: [...absent.values()],
  };
}

function isAudited(kind: string): boolean {
  return kind === "Namespace" || auditedKinds.some((audited) => audited.kind === kind);
}

/** @throws CliError for a file that is not there, or that holds no audit event. */
export async function readAuditLogs(files: readonly string[], options: InputOptions): Promise<AuditLogReader> {
  const reader = new AuditLogReader();
  await readFlowLines(files, reader, () => undefined);
  if (reader.events === 0) {
    throw inputError(
      `${files.join(", ")}: there is no event of an API server's audit log (audit.k8s.io), one JSON object a line`,
    );
  }
  if (reader.unread > 0) note(`note: ${reader.unread} lines of the audit log are no audit events`, options);
  return reader;
}

/** How the baseline is called in a line of the history. */
export function nameOfSource(spec: string): string {
  return spec === "-" ? "standard input" : path.normalize(spec);
}
