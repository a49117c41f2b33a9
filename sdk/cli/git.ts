/** Asks git: a child process with a list of arguments, never a shell, that changes nothing. */
import { spawnSync } from "node:child_process";
import { inputError } from "./errors";

/** Bytes that one answer may come to. */
const mostOutput = 512 * 1024 * 1024;
/** Milliseconds that git may take. */
const patience = 60_000;

/** What git answered; `missing` where there is no git. */
type Answer =
  { readonly kind: "done"; readonly text: Buffer } | { readonly kind: "failed" | "missing"; readonly why: string };

/**
 * Runs git in a folder. Neither hooks nor programs that the repository's configuration names are started by what is asked
 * here.
 */
function git(folder: string, args: readonly string[], input?: string): Answer {
  const done = spawnSync("git", ["-c", "core.fsmonitor=false", "-C", folder, ...args], {
    timeout: patience,
    maxBuffer: mostOutput,
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    ...(input === undefined ? {} : { input }),
    env: { ...process.env, GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" },
  });
  if ((done.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT")
    return { kind: "missing", why: "there is no git" };
  if (done.status === 0) return { kind: "done", text: done.stdout };
  if (done.error !== undefined || done.signal !== null) return { kind: "failed", why: "git gave no answer" };
  return {
    kind: "failed",
    why:
      done.stderr
        .toString("utf8")
        .split("\n")[0]
        ?.replace(/^(fatal|error): /, "") ?? "",
  };
}

/** What git answers, or an error that names what was asked for. @throws CliError */
function gitOrFail(folder: string, args: readonly string[], what: string, input?: string): Buffer {
  const answer = git(folder, args, input);
  if (answer.kind === "done") return answer.text;
  throw inputError(`${what}: ${answer.why}`);
}

/** The top folder of the repository that a folder lies in; nothing where it lies in none, or there is no git. */
export function repositoryOf(folder: string): string | undefined {
  const answer = git(folder, ["rev-parse", "--show-toplevel"]);
  return answer.kind === "done" ? answer.text.toString("utf8").replace(/\n$/, "") : undefined;
}

/** Tracked files of a repository that are not as they were committed, by their paths below it. */
export function uncommitted(repository: string): readonly string[] {
  const text = gitOrFail(
    repository,
    ["status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules"],
    `${repository}: git status`,
  ).toString("utf8");
  return text.split("\0").flatMap((entry) => (entry === "" ? [] : [entry.slice(3)]));
}

/** Whether a text names a commit. What could be an option of git is none. */
export function isRevision(repository: string, revision: string): boolean {
  if (revision.startsWith("-") || /[\0\n]/.test(revision)) return false;
  return (
    git(repository, ["rev-parse", "--quiet", "--verify", "--end-of-options", `${revision}^{commit}`]).kind === "done"
  );
}

/** A regular file of a revision, and the name of its content. */
interface RevisionFile {
  /** From the top of the repository, with `/`. */
  readonly file: string;
  readonly blob: string;
}

/** The regular files of a revision at a path or below it, by name. Links and submodules are none. */
export function filesOfRevision(repository: string, revision: string, below: string): readonly RevisionFile[] {
  const text = gitOrFail(
    repository,
    ["ls-tree", "-r", "-z", "--full-tree", `${revision}^{commit}`, ...(below === "" ? [] : ["--", below])],
    `git ls-tree ${revision}`,
  ).toString("utf8");
  return text.split("\0").flatMap((entry): readonly RevisionFile[] => {
    const [, mode = "", blob = "", file = ""] = /^(\d+) \w+ ([0-9a-f]+)\t([^]*)$/.exec(entry) ?? [];
    const isInside = !file.split("/").some((part) => part === "" || part === "." || part === "..");
    return mode.startsWith("100") && isInside ? [{ file, blob }] : [];
  });
}

/** The contents of files of a revision. */
export function contentsOf(
  repository: string,
  files: readonly RevisionFile[],
): readonly { readonly file: string; readonly content: Buffer }[] {
  const asked = files.map(({ blob }) => `${blob}\n`).join("");
  const answer = gitOrFail(repository, ["cat-file", "--batch"], "git cat-file", asked);
  let at = 0;
  return files.map(({ file, blob }) => {
    const end = answer.indexOf(10, at);
    const [, size] = /^[0-9a-f]+ blob (\d+)$/.exec(answer.subarray(at, end).toString("latin1")) ?? [];
    if (size === undefined) throw inputError(`git has no content ${blob} of "${file}": is the clone whole?`);
    const content = answer.subarray(end + 1, end + 1 + Number(size));
    at = end + 1 + Number(size) + 1;
    return { file, content };
  });
}
