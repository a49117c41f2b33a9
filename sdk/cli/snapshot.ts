import {
  buildSnapshot,
  compile,
  inferProfile,
  isStagedKind,
  isUnreadable,
  podMakers,
  profileWithin,
} from "../reachability";
import type { EnforcerProfile, Problem, Reachability, Snapshot, SourcedObject } from "../reachability";
import { withoutOwned } from "../cluster/owners";
import { CliError, inputError, usageError } from "./errors";
import { exitCodes } from "./exit-codes";
import { describeProblem, problemLines } from "./problems";
import { layOver, readSources, type ReadOptions } from "./sources/read";
import type { SourceContent } from "./sources/types";

/** The options that say what is read and how. All commands have them. */
export interface InputOptions {
  readonly as: ReadOptions["form"];
  readonly cni?: string;
  readonly kubeconfig?: string;
  readonly allowProblems: boolean;
  readonly allProblems: boolean;
  readonly quiet: boolean;
  /** Names all files that are passed over. */
  readonly verbose: boolean;
  /** Patterns of files of folders that are left out, and to which folders are narrowed. */
  readonly exclude: readonly string[];
  readonly include: readonly string[];
  readonly render: boolean;
  readonly defaultNamespace?: string;
}

/** A snapshot, ready for questions. */
export interface Loaded {
  /** What the snapshot was made of. */
  readonly objects: readonly SourcedObject[];
  readonly snapshot: Snapshot;
  readonly reachability: Reachability;
  /** Everything that was not understood, in the sources and in the objects. */
  readonly problems: readonly Problem[];
  /**
   * Something was not read that may be a policy for anybody (of a source with holes only where the user accepted that): what
   * is computed as allowed may be closed by it, so nothing is allowed for certain.
   */
  readonly holes: boolean;
}

/** A line on stderr. Problems always; notes unless the user wants quiet. */
export function note(text: string, options: { readonly quiet: boolean }): void {
  if (!options.quiet) process.stderr.write(`${text}\n`);
}

/** So many lines of one kind are notes, unless the user wants all. */
const shownNotes = 5;

/** Notes of one kind, the first ones and how many more there are. @param what what they are about: `staged policies` */
export function notes(
  lines: readonly string[],
  what: string,
  options: { readonly quiet: boolean; readonly verbose: boolean },
): void {
  const shown = options.verbose ? lines : lines.slice(0, shownNotes);
  for (const line of shown) note(`note: ${line}`, options);
  const rest = lines.length - shown.length;
  if (rest > 0) note(`note: ${rest} more ${what} (--verbose lists them)`, options);
}

/**
 * Reads sources into a snapshot and compiles it; prints on stderr what was not understood.
 *
 * @throws CliError where there is no answer to be had: nothing to read, a source with holes.
 */
export async function load(specs: readonly string[], options: InputOptions): Promise<Loaded> {
  // a wrong name is refused before anything is read
  profileOption(options);
  const content = await read(specs, options);
  return compileObjects(content.objects, content.problems, profileOption(options, content.objects), options, "");
}

/** Two snapshots to compare. With `apply`, the second is laid over the first as `kubectl apply` would do it. */
export async function loadTwo(
  before: readonly string[],
  after: readonly string[],
  options: InputOptions & {
    readonly apply: boolean;
    /** How the two are called on stderr. Default: before, after. */
    readonly labels?: readonly [string, string];
  },
): Promise<{ before: Loaded; after: Loaded }> {
  const [firstLabel, secondLabel] = options.labels ?? ["before", "after"];
  profileOption(options);
  const first = await read(before, options);
  const second = await read(after, options);
  const named = profileOption(options, [...first.objects, ...second.objects]);
  const objects = options.apply ? layOver(first.objects, second.objects) : second.objects;
  const problems = options.apply ? [...first.problems, ...second.problems] : second.problems;
  // One enforcer for both, or the diff would show the change of the enforcer.
  const profile = named ?? inferProfile([...first.objects, ...second.objects]);
  if (named === undefined) noteProfile(profile, options);
  return {
    before: compileObjects(first.objects, first.problems, profile, options, `${firstLabel}: `),
    after: compileObjects(objects, problems, profile, options, `${secondLabel}: `),
  };
}

/** How sources are read, as the options say. */
export function readOptionsOf(options: InputOptions): ReadOptions {
  return {
    form: options.as,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    progress: (text) => note(text, options),
    files: { exclude: options.exclude, include: options.include },
    verbose: options.verbose,
    render: options.render,
    defaultNamespace: options.defaultNamespace,
  };
}

async function read(specs: readonly string[], options: InputOptions): Promise<SourceContent> {
  const content = await readSources(specs, readOptionsOf(options));
  for (const text of content.notes) note(`note: ${text}`, options);
  if (content.objects.length === 0) {
    report(content.problems, options, "");
    throw inputError(`there is no Kubernetes object to be read in ${specs.join(", ")}`);
  }
  return content;
}

function compileObjects(
  read: readonly SourcedObject[],
  sourceProblems: readonly Problem[],
  named: EnforcerProfile | undefined,
  options: InputOptions,
  prefix: string,
): Loaded {
  const isIncomplete = sourceProblems.some((problem) => problem.affectsVerdicts);
  const holes = isIncomplete || read.some(({ object }) => isUnreadable(object));
  if (isIncomplete && !options.allowProblems) {
    report(sourceProblems, options, prefix);
    throw new CliError(
      "there is no answer because something could not be read; repair it, or accept it with --allow-problems (nothing then counts as allowed for certain)",
      exitCodes.input,
    );
  }
  const objects = withoutOwned(read);
  const snapshot = buildSnapshot(objects, named === undefined ? {} : { profile: named });
  if (named === undefined) noteProfile(snapshot.profile, options);
  const staged = snapshot.problems.filter(isStaged);
  notes(
    staged.map((problem) => `${prefix}${describeProblem(problem)}`),
    "policies are staged",
    options,
  );
  const said = new Set(sourceProblems.map(({ source }) => placeOf(source)));
  const isSaid = ({ code, source }: Problem): boolean =>
    ["unknown-value", "variants"].includes(code) && said.has(placeOf(source));
  const problems = [
    ...sourceProblems,
    ...snapshot.problems.filter((problem) => !isStaged(problem) && !isSaid(problem)),
  ];
  noteUnseen(snapshot, options, prefix);
  report(problems, options, prefix);
  return { objects, snapshot, reachability: compile(snapshot), problems, holes };
}

/** What is open in an object is said where it was read; the engine need not say so for each field. */
function placeOf(source: Problem["source"]): string {
  return `${source?.file ?? ""}:${source?.line ?? ""}`;
}

/** So many kinds and names are printed in a line. */
const shownUnseen = 6;

/** Objects from which others make pods, which nobody has read. */
function noteUnseen(snapshot: Snapshot, options: InputOptions, prefix: string): void {
  const makers = podMakers(snapshot);
  const byKind = new Map<string, string[]>();
  for (const { kind, namespace, name } of makers) {
    const names = byKind.get(kind) ?? [];
    names.push(namespace === undefined ? name : `${namespace}/${name}`);
    byKind.set(kind, names);
  }
  const parts = [...byKind].map(([kind, [first = "", ...rest]]) =>
    rest.length === 0 ? `${kind} ${first}` : `${kind} ${first} and ${rest.length} more`,
  );
  if (parts.length > 0) {
    const more = parts.length > shownUnseen ? `, and ${parts.length - shownUnseen} more kinds` : "";
    const shown = parts.slice(0, options.verbose ? undefined : shownUnseen).join(", ");
    note(
      `${prefix}note: contents not seen: ${shown}${options.verbose ? "" : more}: the pods and policies that controllers make of them are not judged (render them, or read the cluster with --context)`,
      options,
    );
  }
  if (snapshot.workloads.length > 0) return;
  note(`${prefix}note: no workload was read, so nothing can be said about who reaches whom`, options);
}

/** Staged policies are meant not to be enforced: worth a note, no problem. */
function isStaged(problem: Problem): boolean {
  const { code, object } = problem;
  return code === "not-enforced" && object !== undefined && isStagedKind(object.apiVersion, object.kind);
}

function report(problems: readonly Problem[], options: InputOptions, prefix: string): void {
  for (const line of problemLines(problems, options.allProblems)) process.stderr.write(`${prefix}${line}\n`);
}

/** The enforcer named by the user, with what the objects say of its settings. */
function profileOption(options: InputOptions, objects: readonly SourcedObject[] = []): EnforcerProfile | undefined {
  if (options.cni === undefined) return undefined;
  try {
    return profileWithin(options.cni, objects);
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--cni: ${error.message}`);
    throw error;
  }
}

function noteProfile(profile: EnforcerProfile, options: InputOptions): void {
  const version = profile.version === undefined ? "" : `@${profile.version}`;
  note(`enforcer: ${profile.cni}${version}, inferred from what was read (name it with --cni)`, options);
}

/** The exit code of a command that answered. */
export function exitCodeOf(loaded: readonly Loaded[], options: InputOptions): 0 | 3 {
  const problems = loaded.some((each) => each.problems.length > 0);
  return problems && !options.allowProblems ? exitCodes.incomplete : exitCodes.ok;
}
