/**
 * Runs the one program that the lab runs for a pod: the prober of `cluster-security verify` and of `EnforcementCanary`, in the
 * pod's own network namespace, with the settings that the Pod declares. A pod's command is otherwise never run: this one is
 * known, word for word, and a Pod cannot put another in its place.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { proberScript, reportLimit, reportVariable, settingsVariable } from "../../../sdk/cluster/index";
import type { Container, Pod } from "../../nodes/objects";

/** How the program ended. */
interface ProberEnd {
  readonly exitCode: number;
  /** What it left as its last words, as much as a kubelet takes. */
  readonly message: string;
}

export interface RunningProber {
  /** Resolves once all its ports are open; rejects where it ends before. */
  readonly listening: Promise<void>;
  readonly ended: Promise<ProberEnd>;
  kill(): void;
}

/** The container of a pod that is the prober. */
export function proberOf(pod: Pod): Container | undefined {
  return pod.spec.containers.find(({ command }) => command?.[1] === "-e" && command[2] === proberScript);
}

/** The user and group that the container runs as everywhere else. */
const nobody = "65534";

/**
 * Starts it in a network namespace.
 *
 * @param nsenter The program of util-linux.
 */
export function runProber(nsenter: string, namespace: string, container: Container): RunningProber {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-prober-"));
  const report = path.join(folder, "report");
  // as a kubelet does it: a file that the container's user may write
  writeFileSync(report, "");
  chmodSync(folder, 0o711);
  chmodSync(report, 0o666);
  const settings = container.env?.find(({ name }) => name === settingsVariable)?.value ?? "";
  const asNobody = reachableByAll(process.execPath) ? [`--setuid=${nobody}`, `--setgid=${nobody}`] : [];
  const child = spawn(
    nsenter,
    [`--net=${path.join("/run/netns", namespace)}`, ...asNobody, process.execPath, "-e", proberScript],
    { stdio: ["ignore", "pipe", "pipe"], env: { [settingsVariable]: settings, [reportVariable]: report } },
  );
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (errors += text));
  const ended = new Promise<ProberEnd>((resolve) => {
    const finish = (exitCode: number): void => {
      const said = readFileSync(report).subarray(0, reportLimit).toString("utf8");
      rmSync(folder, { recursive: true, force: true });
      resolve({ exitCode, message: said || errors.slice(0, reportLimit) });
    };
    child.once("error", (error) => {
      errors += error.message;
      finish(127);
    });
    child.once("close", (code) => finish(code ?? 137));
  });
  const listening = new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    void ended.then(() => reject(new Error("the prober ended before it listened")));
  });
  listening.catch(() => undefined);
  return { listening, ended, kill: () => void child.kill("SIGKILL") };
}

/** Whether any user may read a file. Node.js is sometimes installed in somebody's home. */
function reachableByAll(file: string): boolean {
  const real = path.resolve(file);
  for (let folder = path.dirname(real); ; folder = path.dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === path.dirname(folder)) return (statSync(real).mode & 0o001) !== 0;
  }
}
