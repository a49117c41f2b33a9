/** What Helm and kustomize make of a folder, where these programs are there. */
import { spawnSync } from "node:child_process";
import type { Problem } from "../../reachability";

export interface Renderable {
  readonly tool: "helm" | "kustomize";
  readonly folder: string;
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
export function render({ tool, folder }: Renderable): { text?: string; problem?: Problem } {
  const problem = (message: string): { problem: Problem } => ({
    problem: { code: "unreadable", message, source: { file: folder }, affectsVerdicts: false },
  });
  for (const [program = "", ...args] of commands[tool]) {
    const done = spawnSync(program, [...args, folder], {
      encoding: "utf8",
      timeout: patience,
      maxBuffer: mostOutput,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if ((done.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") continue;
    if (done.status === 0) return { text: done.stdout };
    const why = done.signal !== null ? `took longer than ${patience / 1000} s` : errorIn(done.stderr ?? "");
    return problem(`${program} ${args.join(" ")} ${folder} failed: ${why}`);
  }
  return problem(`--render: there is no ${tool} on the PATH to render ${folder}`);
}

/** The error among the warnings that these programs print before it. */
function errorIn(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const named = lines.find((line) => /^error:/i.test(line))?.replace(/^error: */i, "");
  const logged = /err="(.*)"$/.exec(lines.find((line) => line.includes(' err="')) ?? "")?.[1];
  return (named ?? logged ?? lines[lines.length - 1] ?? "it gives no reason").slice(0, 200);
}
