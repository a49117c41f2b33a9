/** Runs the lab's Helm program (lab/helm): one operation, one child, JSON in and out, no shell. */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { labFolder } from "./locations";
import type { PlainMap } from "./properties";

export interface ChartSource {
  name: string;
  version?: string | undefined;
  devel?: boolean | undefined;
  repo?: string | undefined;
  username?: string | undefined;
  password?: string | undefined;
  caFile?: string | undefined;
  certFile?: string | undefined;
  keyFile?: string | undefined;
  verify?: boolean | undefined;
  keyring?: string | undefined;
  dependencyUpdate?: boolean | undefined;
  timeoutSeconds?: number | undefined;
}

export interface HelmRequest {
  operation: "template" | "install" | "upgrade" | "uninstall" | "status";
  name: string;
  namespace: string;
  kubeconfig?: string;
  kubeVersion?: string | undefined;
  driver?: string | undefined;
  nodeless?: boolean;
  owner?: string;
  chart?: ChartSource;
  values?: PlainMap;
  /** Further inputs of the Release, by their names there. */
  options?: PlainMap;
  settings?: PlainMap;
}

/** A release as Helm's record describes it. */
export interface HelmRelease {
  name: string;
  namespace: string;
  revision: number;
  status: string;
  description: string;
  chart: string;
  version: string;
  appVersion: string;
  values?: PlainMap | null;
  resourceNames: Record<string, string[]>;
}

export interface HelmAnswer {
  release?: HelmRelease;
  manifest?: string;
}

export type HelmErrorCode = "chart" | "notFound" | "failed" | "request" | "program";

export class HelmError extends Error {
  constructor(
    readonly code: HelmErrorCode,
    message: string,
    /** The release as it is after the failure, where there is one. */
    readonly release?: HelmRelease,
  ) {
    super(message);
  }
}

let helmProgram: Promise<string> | undefined;

/** The Helm program; built on first use where the lab's cache does not hold it. */
function program(): Promise<string> {
  const given = process.env["LAB_HELM"];
  if (given) return Promise.resolve(given);
  helmProgram ??= provide("helm").catch((error: Error) => {
    helmProgram = undefined;
    throw new HelmError("program", `Helm's library cannot be run: ${error.message}`);
  });
  return helmProgram;
}

/** Cilium's chart out of the released module, for when no repository can be reached. */
export function ciliumChartFolder(version: string | undefined): Promise<string> {
  return provide("cilium-chart", ...(version === undefined ? [] : [version]));
}

function provide(...args: string[]): Promise<string> {
  const script = path.join(labFolder, "provider", "provide.ts");
  const loader = createRequire(script).resolve("tsx/cjs");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--require", loader, script, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err] = [collect(child.stdout), collect(child.stderr)];
    child.on("error", reject);
    child.on("close", (code) => {
      const lines = out().trim().split("\n");
      if (code === 0) resolve(lines.at(-1) ?? "");
      else reject(new Error(err().trim().split("\n").at(-1) || `exit code ${String(code)}`));
    });
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

/** Runs one operation; throws {@link HelmError}. An abort closes the child's input, which cancels the operation. */
export async function runHelm(request: HelmRequest, signal: AbortSignal): Promise<HelmAnswer> {
  const file = await program();
  return new Promise((resolve, reject) => {
    const child = spawn(file, [], { stdio: ["pipe", "pipe", "ignore"] });
    const out = collect(child.stdout);
    const cancel = (): void => void child.stdin.end();
    signal.addEventListener("abort", cancel, { once: true });
    child.on("error", (error) => reject(new HelmError("program", `Helm's library cannot be run: ${error.message}`)));
    // a child that ends early closes its input; its exit is what counts
    child.stdin.on("error", () => undefined);
    child.on("close", () => {
      signal.removeEventListener("abort", cancel);
      try {
        resolve(readAnswer(out()));
      } catch (error) {
        reject(error as Error);
      }
    });
    // the input stays open while the operation runs: closing it would cancel
    child.stdin.write(`${JSON.stringify(request)}\n`);
  });
}

function readAnswer(text: string): HelmAnswer {
  let answer: HelmAnswer & { error?: { code: HelmErrorCode; message: string } };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new HelmError("program", "the Helm operation was cut off");
  }
  if (answer.error) throw new HelmError(answer.error.code, answer.error.message, answer.release);
  return answer;
}
