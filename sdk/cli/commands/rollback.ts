import type { PlannedObject } from "../../plan";
import { shapesPolicies, type KubeObject } from "../../reachability";
import { idOf, type Change } from "../../render";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { ownersIn, stepsWith, unsuspended } from "../gitops-owners";
import { changeLive, changesTo } from "../live-change";
import { note, notes } from "../snapshot";
import { outputOf } from "./options";
import { loadForChange, type RestoreOptions } from "./restore";

export interface RollbackOptions extends RestoreOptions {
  /** What the policies were: a state, a git revision, a version of the stack's history, a folder of exported policies. */
  readonly to: string;
  /** Only these: `shop/allow-web`, `default-deny-all`. Default: all. */
  readonly policy: readonly string[];
  /** The user vouches that the GitOps tool does not interfere. */
  readonly suspended: boolean;
}

/** `cluster-security rollback`: the policies of a live cluster as they were. */
export async function rollback(options: RollbackOptions): Promise<ExitCode> {
  const begin = performance.now();
  const code = await rollBackTo(options.to, options);
  note(`rollback took ${((performance.now() - begin) / 1000).toFixed(1)} s`, options);
  return code;
}

async function rollBackTo(source: string, options: RollbackOptions): Promise<ExitCode> {
  const { live, wanted } = await loadForChange(source, options);
  if (wanted.length === 0) {
    throw inputError(`${options.to} holds no policy: that would delete all of them, which is not what a rollback does`);
  }
  const isChosen = chooser(options.policy, [...wanted, ...live.objects.map(({ object }) => object)]);
  const kept = new Set(wanted.map(keyOf));
  const extra = live.objects
    .map(({ object }) => object)
    .filter((object) => shapesPolicies(object.apiVersion, object.kind) && !kept.has(keyOf(object)) && isChosen(object));
  const isOurs = (object: KubeObject): boolean => options.policy.length > 0 || isManaged(object);
  const left = extra.filter((object) => !isOurs(object));
  notes(
    left.map(
      (object) =>
        `${keyOf(object)} is not in ${options.to} and stays: this package did not write it (name it with --policy to delete it)`,
    ),
    "policies stay",
    options,
  );
  const changes = changesTo(live, wanted.filter(isChosen), extra.filter(isOurs));
  const output = outputOf(options);
  const blocked =
    options.dryRun || options.suspended
      ? []
      : await blockersOf(
          changes,
          live.objects.map(({ object }) => object),
          options,
        );
  if (blocked.length > 0) {
    for (const line of stepsWith(blocked, options)) output.write(`${line}\n`);
    await output.end();
    return exitCodes.no;
  }
  const code = await changeLive(live, changes, output, options);
  await output.end();
  return code;
}

/** GitOps tools that would undo a change within minutes. */
async function blockersOf(
  changes: readonly Change[],
  live: readonly KubeObject[],
  { context, kubeconfig }: RollbackOptions,
): Promise<ReturnType<typeof ownersIn>> {
  const standing = new Map(live.map((object) => [keyOf(object), object]));
  const touched = changes.map(({ object }) => standing.get(idOf(object)) ?? (object as unknown as KubeObject));
  const owners = ownersIn(touched);
  if (owners.length === 0) return [];
  const cluster = await import("../../cluster/index.js");
  const connection = await cluster.connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  return unsuspended(owners, new cluster.ApiClient(connection));
}

function keyOf(object: KubeObject): string {
  return idOf(object as unknown as PlannedObject);
}

function isManaged({ metadata }: KubeObject): boolean {
  const labels: unknown = metadata?.labels;
  return (
    (labels as Record<string, unknown> | undefined)?.["app.kubernetes.io/managed-by"] === "pulumi-cluster-security"
  );
}

function chooser(names: readonly string[], objects: readonly KubeObject[]): (object: KubeObject) => boolean {
  const nameOf = ({ metadata }: KubeObject): string =>
    metadata?.namespace === undefined ? (metadata?.name ?? "") : `${metadata.namespace}/${metadata.name ?? ""}`;
  const known = new Set(objects.filter(({ apiVersion, kind }) => shapesPolicies(apiVersion, kind)).map(nameOf));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) throw usageError(`--policy: there is no policy ${unknown.join(", ")} on either side`);
  return (object) => names.length === 0 || names.includes(nameOf(object));
}
