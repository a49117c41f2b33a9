import { shapesPolicies, type KubeObject } from "../../reachability";
import { usageError } from "../errors";
import type { ExitCode } from "../exit-codes";
import { exitCodes } from "../exit-codes";
import { changeLive, changesTo, type LiveChangeOptions } from "../live-change";
import { loadTwo, type Loaded } from "../snapshot";
import { outputOf, type CommonOptions } from "./options";

export interface RestoreOptions extends Omit<CommonOptions, "format" | "file" | "context">, LiveChangeOptions {}

/** `cluster-security restore`: policies of files into a live cluster. */
export async function restore(source: string, options: RestoreOptions): Promise<ExitCode> {
  const { live, wanted } = await loadForChange(source, options);
  const output = outputOf(options);
  const code = await changeLive(live, changesTo(live, wanted, []), output, options);
  await output.end();
  return code === exitCodes.ok && live.problems.length > 0 && !options.allowProblems ? exitCodes.incomplete : code;
}

/** A live cluster, and the policies of a source without what a server wrote into them. */
export async function loadForChange(
  source: string,
  options: RestoreOptions,
): Promise<{ readonly live: Loaded; readonly wanted: readonly KubeObject[] }> {
  if (source.startsWith("context="))
    throw usageError("the source is a file or a folder; --context names the cluster that is changed");
  const { before, after } = await loadTwo([`context=${options.context}`], [source], {
    ...options,
    apply: false,
    labels: [options.context, source],
  });
  const { withoutServerFields } = await import("../../cluster/index.js");
  const bare = (object: KubeObject): KubeObject =>
    shapesPolicies(object.apiVersion, object.kind) ? withoutServerFields(object) : object;
  const live = { ...before, objects: before.objects.map((each) => ({ ...each, object: bare(each.object) })) };
  const wanted = after.objects
    .map(({ object }) => object)
    .filter(({ apiVersion, kind }) => shapesPolicies(apiVersion, kind))
    .map(withoutServerFields);
  return { live, wanted };
}
