import { readFileSync, statSync } from "node:fs";
import * as path from "node:path";
import { repaired, unifiedDiff, type Judged, type Repaired, type Texts } from "../../findings/repairs";
import { isViolation, type Finding } from "../../findings";
import {
  buildSnapshot,
  compile,
  countPaths,
  diff,
  readYaml,
  type Reachability,
  type SourcedObject,
} from "../../reachability";
import { describeCounts, describeDifference } from "../../reports";
import { counted } from "../print/text";
import { note, type InputOptions, type Loaded } from "../snapshot";

/** What {@link fix} did, and the texts that it began with. */
export interface Fixed {
  readonly repairs: Repaired;
  readonly left: readonly Finding[];
  readonly before: Texts;
}

/**
 * Repairs what can be repaired for certain in the files that were read.
 *
 * @param find what all rules find, exemptions applied
 * @param wanted the findings that are asked about
 */
export function fix(
  loaded: Loaded,
  find: (reachability: Reachability) => readonly Finding[],
  wanted: (finding: Finding) => boolean,
): Fixed {
  const before = textsOf(loaded.objects);
  const judge = (changed: Texts): Judged => {
    const reachability =
      changed.size === 0
        ? loaded.reachability
        : compile(buildSnapshot(withTexts(loaded.objects, changed), { profile: loaded.snapshot.profile }));
    return { reachability, findings: find(reachability) };
  };
  const repairs = repaired(before, judge, wanted);
  return { repairs, left: repairs.findings.filter(wanted), before };
}

/**
 * The YAML and JSON files among what was read. Rendered text, standard input and clusters have no file that could be repaired;
 * nor has what kustomize, Flux or Argo CD changes on the way: what comes of a repair there is not seen.
 */
function textsOf(objects: readonly SourcedObject[]): Texts {
  const byFile = new Map<string, SourcedObject[]>();
  for (const each of objects) {
    const file = each.source?.file;
    if (file === undefined) continue;
    const known = byFile.get(file);
    if (known === undefined) byFile.set(file, [each]);
    else known.push(each);
  }
  return new Map(
    [...byFile]
      .filter(([name]) => /\.(ya?ml|json)$/i.test(name) && statSync(name, { throwIfNoEntry: false })?.isFile() === true)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, read]): [string, string][] => {
        const bytes = readFileSync(name);
        const text = bytes.toString("utf8");
        // another encoding is not written back
        return Buffer.from(text, "utf8").equals(bytes) && isAsWritten(text, name, read) ? [[name, text]] : [];
      }),
  );
}

/** Whether objects were read as the file has them, but for the namespace that they were read into. */
function isAsWritten(text: string, file: string, read: readonly SourcedObject[]): boolean {
  const specs = new Map(readYaml(text, file).objects.map((each) => [nameOf(each), JSON.stringify(each.object.spec)]));
  return read.every((each) => specs.get(nameOf(each)) === JSON.stringify(each.object.spec));
}

function nameOf({ object: { kind, metadata } }: SourcedObject): string {
  return `${kind} ${metadata?.name ?? ""}`;
}

/** The same objects, those of changed files read again, each as often and in the namespace that it was read into. */
function withTexts(objects: readonly SourcedObject[], changed: Texts): SourcedObject[] {
  const again = [...changed].flatMap(([file, text]) => {
    const old = objects.filter(({ source }) => source?.file === file);
    return readYaml(text, file).objects.flatMap((each): SourcedObject[] => {
      const before = old.filter((one) => nameOf(one) === nameOf(each));
      return before.length === 0 ? [each] : before.map((one) => ({ ...one, ...each, object: placed(each, one) }));
    });
  });
  return [...objects.filter(({ source }) => !changed.has(source?.file ?? "")), ...again];
}

function placed({ object }: SourcedObject, { object: { metadata } }: SourcedObject): SourcedObject["object"] {
  const { namespace } = metadata ?? {};
  return namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
}

/** The repairs as one patch, to be applied where the command was run (`git apply`, `patch -p1`). */
export function patchOf({ texts }: Repaired, before: Texts): string {
  return [...texts]
    .map(([file, text]) => {
      const name = path.relative(process.cwd(), file).split(path.sep).join("/");
      return unifiedDiff(name, before.get(file) ?? "", text);
    })
    .join("");
}

/** Paths that are listed before the rest is counted. */
const mostPaths = 20;

/** Lines on stderr: what was repaired, which paths that opens and closes, and what is left to a person. */
export function noteRepairs(
  { repairs, reachability }: Repaired,
  before: Reachability,
  left: readonly Finding[],
  options: Pick<InputOptions, "quiet">,
): void {
  for (const { file, line, what, rule } of repairs)
    note(`${path.relative(process.cwd(), file)}:${line}: ${what} (${rule})`, options);
  const violations = left.filter(isViolation).length;
  const files = new Set(repairs.map(({ file }) => file)).size;
  const rest = `${counted(violations, "violation")} left to decide on`;
  if (repairs.length === 0) return note(`nothing can be repaired for certain; ${rest}`, options);
  const paths = [...diff(before, reachability)];
  for (const each of paths.slice(0, mostPaths)) note(describeDifference({ ...each, causes: [] }), options);
  if (paths.length > mostPaths) note(`and ${paths.length - mostPaths} more`, options);
  note(
    `${counted(repairs.length, "repair")} in ${counted(files, "file")}: ${describeCounts(countPaths(paths))}; ${rest}`,
    options,
  );
}
