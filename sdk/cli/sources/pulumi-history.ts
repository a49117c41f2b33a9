/** States out of the history of a Pulumi stack. */
import { spawnSync } from "node:child_process";
import { inputError, usageError } from "../errors";

/** The beginning of a source that is a version of a Pulumi stack's history. */
const historyPrefix = "history:";

/** Whether a source is a version of a stack's history. */
export function isHistory(spec: string): boolean {
  return spec.startsWith(historyPrefix);
}

/**
 * The state that a version of the selected stack's history is, as a text: `history:12`, or `history:12@shop/prod`. It never
 * lies in a file, because it may hold secrets.
 *
 * @throws CliError where there is no such version, or no Pulumi.
 */
export function textOfHistory(spec: string): string {
  const text = spec.slice(historyPrefix.length);
  const [, version, stack] = /^(\d+)(?:@([\w./-]+))?$/.exec(text) ?? [];
  if (version === undefined)
    throw usageError(`${spec}: name a version of "pulumi stack history", history:12 or history:12@STACK`);
  const args = [
    "stack",
    "export",
    "--non-interactive",
    "--version",
    version,
    ...(stack === undefined ? [] : ["--stack", stack]),
  ];
  const done = spawnSync("pulumi", args, {
    encoding: "utf8",
    maxBuffer: 512 * 1024 * 1024,
    timeout: 120_000,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (done.status !== 0) {
    const missing = (done.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    const why = missing ? "there is no pulumi on the PATH" : (done.stderr ?? "").split("\n")[0];
    // only Pulumi Cloud keeps versions to export; a backend of files keeps each as a checkpoint
    const remedy = /export previous deployments/.test(why ?? "")
      ? "; with a backend of files, name the checkpoint in its folder, --to .pulumi/history/PROJECT/STACK/….checkpoint.json"
      : "";
    throw inputError(`pulumi stack export --version ${version} failed: ${why || "it gives no reason"}${remedy}`);
  }
  return done.stdout;
}
