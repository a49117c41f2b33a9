/** Changes the policies of a live cluster: shown as paths first, asked for, applied in a safe order, and looked at again. */
import type { Connection } from "../cluster";
import type { PlannedObject } from "../plan";
import type { KubeObject, PathDifference, Reachability, SourcedObject } from "../reachability";
import { buildSnapshot, compile, countPaths, diff, holdsUnknown, shapesPolicies } from "../reachability";
import { idOf, proveOrder, safeOrder, type Change, type OrderStep } from "../render";
import { describeCounts, describeDifference } from "../reports/diff";
import { ask } from "./ask";
import { CliError, inputError, usageError } from "./errors";
import { exitCodes, type ExitCode } from "./exit-codes";
import { listening, reading, type Heard } from "./interruption";
import type { Output } from "./output";
import { proofLines } from "./print/order";
import { counted } from "./print/text";
import type { Loaded } from "./snapshot";

/** How a cluster is changed. */
export interface LiveChangeOptions {
  readonly context: string;
  readonly kubeconfig?: string;
  /** Nobody is asked. */
  readonly yes: boolean;
  /** Only what would happen is printed. */
  readonly dryRun: boolean;
}

/** The changes that make the live policies those of `wanted`. */
export function changesTo(live: Loaded, wanted: readonly KubeObject[], gone: readonly KubeObject[]): readonly Change[] {
  const standing = new Map(live.objects.map(({ object }) => [idOf(planned(object)), object]));
  return [
    ...wanted
      .filter((object) => !isSame(standing.get(idOf(planned(object))), object))
      .map((object): Change => ({ does: "apply", object: planned(object) })),
    ...gone.map((object): Change => ({ does: "delete", object: planned(object) })),
  ];
}

/**
 * Carries changes out.
 *
 * @returns 0: done, or there was nothing to do. 1: not confirmed, or the cluster afterwards is not as asked.
 * @throws CliError where the server refuses a change: what was done until then stays, and is said.
 */
export async function changeLive(
  live: Loaded,
  changes: readonly Change[],
  output: Output,
  options: LiveChangeOptions,
): Promise<ExitCode> {
  if (changes.length === 0) {
    output.write("nothing to change: the cluster holds these policies already\n");
    return exitCodes.ok;
  }
  refuseUnknown(changes);
  const steps = safeOrder(
    changes,
    live.objects.map(({ object }) => object),
    live.snapshot.profile,
  );
  const after = reachabilityAfter(live, steps);
  showPaths([...diff(live.reachability, after, { holes: { before: live.holes, after: live.holes } })], output);
  for (const { does, object } of steps) output.write(`${does === "apply" ? "apply " : "delete"} ${idOf(object)}\n`);
  for (const line of proofLines(proofOf(live, steps))) output.write(`${line}\n`);
  if (options.dryRun) return exitCodes.ok;
  await output.ready();
  if (!(await isConfirmed(steps.length, options))) {
    output.write("nothing was changed\n");
    return exitCodes.no;
  }
  return carryOut(steps, after, output, options);
}

function planned(object: KubeObject): PlannedObject {
  return object as unknown as PlannedObject;
}

function proofOf(
  { objects, snapshot: { profile } }: Loaded,
  steps: readonly OrderStep[],
): ReturnType<typeof proveOrder> {
  const of = (isPolicy: boolean): readonly KubeObject[] =>
    objects.map(({ object }) => object).filter(({ apiVersion, kind }) => shapesPolicies(apiVersion, kind) === isPolicy);
  return proveOrder({ objects: of(false), profile }, { flows: [], namespaces: [] }, of(true).map(planned), steps);
}

function reachabilityAfter({ objects, snapshot: { profile } }: Loaded, steps: readonly OrderStep[]): Reachability {
  const changed = new Set(steps.map(({ object }) => idOf(object)));
  const kept = objects.filter(({ object }) => !changed.has(idOf(planned(object))));
  const applied = steps
    .filter(({ does }) => does === "apply")
    .map(({ object }): SourcedObject => ({ object: object as unknown as KubeObject }));
  return compile(buildSnapshot([...kept, ...applied], { profile }));
}

/** So many paths are listed before the question. */
const shownPaths = 40;

function showPaths(differences: readonly PathDifference[], output: Output): void {
  const sorted = [...differences].sort((a, b) => Number(b.opens) - Number(a.opens));
  for (const one of sorted.slice(0, shownPaths)) output.write(`${describeDifference(one)}\n`);
  if (sorted.length > shownPaths) output.write(`and ${sorted.length - shownPaths} more paths\n`);
  output.write(`${describeCounts(countPaths(differences))}\n`);
}

/** A value that nobody knows cannot be applied: a secret of a Pulumi state, an output. */
function refuseUnknown(changes: readonly Change[]): void {
  const found = changes.find(({ does, object }) => does === "apply" && holdsUnknown(object));
  if (found !== undefined) {
    throw inputError(
      `${idOf(found.object)} holds a value that is not known (a secret or an output): nothing was changed`,
    );
  }
}

function isSame(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a, b] as Record<string, unknown>[];
  const keys = new Set([...Object.keys(left ?? {}), ...Object.keys(right ?? {})]);
  return [...keys].every((key) => isSame(left?.[key], right?.[key]));
}

async function isConfirmed(count: number, { yes, context }: LiveChangeOptions): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) {
    throw usageError(
      "nobody can be asked here: add --yes to change the cluster, or --dry-run to see what would happen",
    );
  }
  const answer = await ask(`Change ${counted(count, "object")} in ${context}? (yes/no) `, "nothing was changed");
  return answer.toLowerCase() === "yes";
}

async function carryOut(
  steps: readonly OrderStep[],
  meant: Reachability,
  output: Output,
  { context, kubeconfig }: LiveChangeOptions,
): Promise<ExitCode> {
  const cluster = await import("../cluster/index.js");
  const connection = await cluster.connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  await listening(
    {
      first: "waiting for the change that is under way; once more to leave at once",
      second: "a change was under way, and whether it was made is not known; repeat the command to go on",
    },
    (heard) => changeInOrder(steps, connection, output, heard),
  );
  const left = [...diff(meant, await reachabilityNow(connection, context, meant))];
  if (left.length === 0) {
    output.write("checked: the cluster allows what was shown, nothing else\n");
    return exitCodes.ok;
  }
  output.write("the cluster allows something else than what was shown: a controller or somebody else changes it too\n");
  showPaths(left, output);
  return exitCodes.no;
}

/** @throws CliError where a change is refused or a signal comes: the changes before it stay. */
async function changeInOrder(
  steps: readonly OrderStep[],
  connection: Connection,
  output: Output,
  heard: Heard,
): Promise<void> {
  const cluster = await import("../cluster/index.js");
  const begin = performance.now();
  const since = (moment: number): string => `${Math.round(performance.now() - moment)} ms`;
  const stay = (count: number): string =>
    `${count} of ${steps.length} changes were made and stay; repeat the command to go on`;
  for (const [index, { does, object }] of steps.entries()) {
    const moment = performance.now();
    try {
      heard.stopHere(() => stay(index));
      const one = object as unknown as KubeObject;
      if (does === "apply") await cluster.applyObject(connection, one);
      else await cluster.deleteObject(connection, one);
    } catch (error) {
      await output.end();
      if (!(error instanceof cluster.ClusterError)) throw error;
      throw new CliError(`${does} ${idOf(object)}: ${error.message}. ${stay(index)}`, exitCodes.input);
    }
    output.write(`${does === "apply" ? "applied" : "deleted"} ${idOf(object)} (${since(moment)})\n`);
    await output.ready();
  }
  output.write(`${counted(steps.length, "change")} in ${since(begin)}\n`);
  await output.ready();
  heard.stopHere(() => `all ${steps.length} changes were made; what the cluster allows now was not looked at`);
}

/** What the cluster allows after the changes. @throws CliError that says that they were made all the same */
async function reachabilityNow(connection: Connection, context: string, meant: Reachability): Promise<Reachability> {
  const cluster = await import("../cluster/index.js");
  try {
    const client = new cluster.ApiClient(connection);
    const { objects } = await reading(
      () => cluster.readLiveObjects(client, { cluster: context }),
      "all changes were made; what the cluster allows now was not looked at",
    );
    return compile(buildSnapshot(cluster.withoutOwned(objects), { profile: meant.snapshot.profile }));
  } catch (error) {
    if (!(error instanceof cluster.ClusterError)) throw error;
    throw new CliError(
      `${error.message}. All changes were made; what the cluster allows now was not looked at`,
      exitCodes.input,
    );
  }
}
