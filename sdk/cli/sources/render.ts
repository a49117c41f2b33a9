/** What Helm and kustomize make of a folder, where these programs are there. */
import { spawnSync } from "node:child_process";
import type { Problem } from "../../reachability";
import type { ChartRelease } from "./chart-releases";

export interface Renderable {
  readonly tool: "helm" | "kustomize";
  readonly folder: string;
  /** How a chart is installed. Default: with its own values. */
  readonly release?: ChartRelease;
}

/** Milliseconds that one chart or kustomization may take. */
const patience = 60_000;
/** Characters that one may come to. */
const mostOutput = 512 * 1024 * 1024;

/** Programs that render, in the order they are tried. */
const commands: Readonly<Record<Renderable["tool"], readonly (readonly string[])[]>> = {
  helm: [["helm", "template", "rendered"]],
  kustomize: [
    ["kustomize", "build"],
    ["kubectl", "kustomize"],
  ],
};

/** The rendered text, or why there is none. Runs no shell, and fetches what the chart or the kustomization names. */
export function render({ tool, folder, release }: Renderable): { text?: string; problem?: Problem } {
  const problem = (message: string): { problem: Problem } => ({
    problem: { code: "unreadable", message, source: { file: folder }, affectsVerdicts: false },
  });
  for (const [program = "", ...given] of commands[tool]) {
    const args = release?.name === undefined ? given : ["template", release.name];
    const done = spawnSync(program, [...args, folder, ...optionsOf(release)], {
      encoding: "utf8",
      timeout: patience,
      maxBuffer: mostOutput,
      ...(release === undefined
        ? { stdio: ["ignore", "pipe", "pipe"] }
        : { input: JSON.stringify(release.values), stdio: ["pipe", "pipe", "pipe"] }),
    });
    if ((done.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") continue;
    if (done.status === 0) return { text: done.stdout };
    const why = done.signal !== null ? `took longer than ${patience / 1000} s` : errorIn(done.stderr ?? "");
    return problem(`${program} ${args.join(" ")} ${folder} failed: ${why}`);
  }
  return problem(`--render: there is no ${tool} on the PATH to render ${folder}`);
}

/** Helm's options for a release; its values come by standard input. */
function optionsOf(release: ChartRelease | undefined): string[] {
  if (release === undefined) return [];
  const namespace = release.namespace === undefined ? [] : ["--namespace", release.namespace];
  return [...namespace, ...[...release.files, "-"].flatMap((file) => ["--values", file])];
}

/** The error among the warnings that these programs print before it. */
function errorIn(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const named = lines.find((line) => /^error:/i.test(line))?.replace(/^error: */i, "");
  const logged = /err="(.*)"$/.exec(lines.find((line) => line.includes(' err="')) ?? "")?.[1];
  return (named ?? logged ?? lines[lines.length - 1] ?? "it gives no reason").slice(0, 200);
}
