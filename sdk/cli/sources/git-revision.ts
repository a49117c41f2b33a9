/** Sources out of a git revision: `git:main` is the whole repository, `git:main:k8s/policies` a folder or file of it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import type { SourcedObject } from "../../reachability";
import { inputError, usageError } from "../errors";
import { readingAway } from "../interruption";
import { contentsOf, filesOfRevision, isRevision, repositoryOf } from "../git";
import type { SourceContent } from "./types";

/** The beginning of a source that is a git revision. */
const gitPrefix = "git:";

/** Whether a source is a git revision. */
export function isGitSource(spec: string): boolean {
  return spec.startsWith(gitPrefix);
}

/**
 * What `read` makes of the files of a revision, laid out in a folder of their own that is gone afterwards. Places are told
 * as the user named them: `git:main:k8s/policies.yaml`.
 *
 * @throws CliError where there is no such repository, revision or path.
 */
export async function readRevision(
  spec: string,
  read: (place: string) => Promise<SourceContent>,
): Promise<SourceContent> {
  const [revision = "", below = ""] = splitSpec(spec);
  if (revision === "") throw usageError(`"${spec}" names no revision: git:main, or git:main:PATH`);
  const repository = repositoryOf(process.cwd());
  if (repository === undefined) throw inputError(`"${spec}": there is no git repository here, or no git`);
  if (!isRevision(repository, revision)) {
    throw inputError(`"${spec}": the repository has no revision "${revision}" (git fetch it, if it is elsewhere)`);
  }
  const files = filesOfRevision(repository, revision, below);
  if (files.length === 0)
    throw inputError(`"${spec}": the revision has no file ${below === "" ? "" : `"${below}" or below it`}`);
  // a folder that is made is one that is removed, whenever a signal comes
  let folder = "";
  return readingAway(
    async () => {
      folder = mkdtempSync(path.join(tmpdir(), "cluster-security-git-"));
      const isOne = files.length === 1 && files[0]?.file === below;
      const wanted = files.filter(({ file }) => isOne || /\.(ya?ml|json)$|(^|\/)\.gitignore$/i.test(file));
      for (const { file, content } of contentsOf(repository, wanted)) {
        const place = path.join(folder, ...file.split("/"));
        mkdirSync(path.dirname(place), { recursive: true });
        writeFileSync(place, content, { flag: "wx" });
      }
      const start = path.join(folder, ...below.split("/").filter((part) => part !== ""));
      mkdirSync(isOne ? path.dirname(start) : start, { recursive: true });
      const content = await read(start);
      const named = (text: string): string =>
        text
          .replaceAll(`${folder}${path.sep}`, `${gitPrefix}${revision}:`)
          .replaceAll(folder, `${gitPrefix}${revision}`);
      return withPlaces(content, named);
    },
    () => (folder === "" ? undefined : rmSync(folder, { recursive: true, force: true })),
  );
}

/** A revision holds no colon; a path may. */
function splitSpec(spec: string): readonly [string, string] {
  const rest = spec.slice(gitPrefix.length);
  const colon = rest.indexOf(":");
  const below = colon < 0 ? "" : rest.slice(colon + 1);
  const clean = path.posix
    .normalize(below)
    .replace(/^\.\/?$/, "")
    .replace(/\/+$/, "");
  if (clean.startsWith("/") || clean.split("/").includes("..")) {
    throw usageError(`"${spec}": the path is counted from the top of the repository`);
  }
  return [colon < 0 ? rest : rest.slice(0, colon), clean];
}

function withPlaces({ objects, problems, notes }: SourceContent, named: (text: string) => string): SourceContent {
  const placed = <T extends { readonly source?: SourcedObject["source"] }>(each: T): T =>
    each.source?.file === undefined ? each : { ...each, source: { ...each.source, file: named(each.source.file) } };
  return {
    objects: objects.map(placed),
    problems: problems.map((problem) => placed({ ...problem, message: named(problem.message) })),
    notes: notes.map(named),
  };
}
