import { filesWithRecord, openFolder, writeFolder } from "../rendered-folder";
import { policyFiles } from "../../render";
import { exitCodeOf, load, notes } from "../snapshot";
import type { ExitCode } from "../exit-codes";
import { inputError, usageError } from "../errors";
import { outputOf, type CommonOptions } from "./options";

export interface ExportOptions extends Omit<CommonOptions, "format" | "file"> {
  readonly out: string;
  readonly namespace: readonly string[];
}

/** `cluster-security export`: the policies of a live cluster as files. Only reads. */
export async function exportPolicies(options: ExportOptions): Promise<ExitCode> {
  if (options.context === undefined) throw usageError("--context is missing: the cluster whose policies are exported");
  const folder = openFolder(options.out, "");
  if (folder.earlier !== undefined && folder.earlier.record.target !== "export") {
    throw inputError(`"${options.out}" was rendered for ${folder.earlier.record.target}: export into another folder`);
  }
  const loaded = await load([`context=${options.context}`], options);
  const { exportedPolicies } = await import("../../cluster/index.js");
  const wanted = options.namespace;
  const { objects, left } = exportedPolicies(loaded.objects);
  const chosen = objects.filter(({ metadata }) => wanted.length === 0 || wanted.includes(metadata?.namespace ?? ""));
  notes(left, "objects are left out", options);
  const files = policyFiles(chosen);
  const changes = await writeFolder(
    folder,
    filesWithRecord(files, { target: "export", state: "applied", objects: new Map() }),
  );
  const output = outputOf(options);
  output.write(
    `exported ${chosen.length} policies of ${options.context} to ${folder.place}: ${changes.written.length} files written, ${changes.removed.length} removed, ${changes.unchanged} unchanged\n`,
  );
  await output.end();
  return exitCodeOf([loaded], options);
}
