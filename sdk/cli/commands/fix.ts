import { readFileSync, statSync } from "node:fs";
import * as path from "node:path";
import { repaired, unifiedDiff, type Repaired, type Texts } from "../../findings/repairs";
import { isViolation, type Finding } from "../../findings";
import { buildSnapshot, compile, readYaml, type Reachability, type SourcedObject } from "../../reachability";
import { fileOutputAt } from "../output-file";
import { inputError } from "../errors";
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
 * @param judge what all rules find, exemptions applied
 * @param wanted the findings that are asked about
 */
export function fix(
  loaded: Loaded,
  judge: (reachability: Reachability) => readonly Finding[],
  wanted: (finding: Finding) => boolean,
): Fixed {
  const before = textsOf(loaded.objects);
  const judged = (changed: Texts): readonly Finding[] => {
    if (changed.size === 0) return judge(loaded.reachability);
    const objects = withTexts(loaded.objects, changed);
    return judge(compile(buildSnapshot(objects, { profile: loaded.snapshot.profile })));
  };
  const repairs = repaired(before, judged, wanted);
  return { repairs, left: repairs.findings.filter(wanted), before };
}

/** The YAML files among what was read. Rendered text, standard input and clusters have no file that could be repaired. */
function textsOf(objects: readonly SourcedObject[]): Texts {
  const names = new Set(objects.flatMap(({ source }) => (source?.file === undefined ? [] : [source.file])));
  return new Map(
    [...names]
      .filter((name) => /\.ya?ml$/i.test(name) && statSync(name, { throwIfNoEntry: false })?.isFile() === true)
      .sort()
      .map((name) => [name, readFileSync(name)] as const)
      // another encoding is not written back
      .filter(([, bytes]) => Buffer.from(bytes.toString("utf8"), "utf8").equals(bytes))
      .map(([name, bytes]) => [name, bytes.toString("utf8")]),
  );
}

/** The same objects, those of changed files read again, each in the namespace that it was read into. */
function withTexts(objects: readonly SourcedObject[], changed: Texts): SourcedObject[] {
  const nameOf = ({ object: { kind, metadata } }: SourcedObject): string => `${kind} ${metadata?.name ?? ""}`;
  const again = [...changed].flatMap(([file, text]) => {
    const old = new Map(objects.filter(({ source }) => source?.file === file).map((each) => [nameOf(each), each]));
    return readYaml(text, file).objects.map((each): SourcedObject => {
      const namespace = old.get(nameOf(each))?.object.metadata?.namespace;
      if (namespace === undefined || each.object.metadata?.namespace !== undefined) return each;
      return { ...each, object: { ...each.object, metadata: { ...each.object.metadata, namespace } } };
    });
  });
  return [...objects.filter(({ source }) => !changed.has(source?.file ?? "")), ...again];
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

/** Writes the repaired files. @throws CliError where one has changed meanwhile; nothing is written then */
export async function writeRepaired({ texts }: Repaired, before: Texts): Promise<void> {
  for (const [file] of texts) {
    if (readFileSync(file, "utf8") !== before.get(file))
      throw inputError(`"${file}" has changed meanwhile: run it again`);
  }
  for (const [file, text] of texts) {
    const output = fileOutputAt(file);
    output.write(text);
    await output.end();
  }
}

/** Lines on stderr: what was repaired, and what is left to a person. */
export function noteRepairs(
  { repairs }: Repaired,
  left: readonly Finding[],
  options: Pick<InputOptions, "quiet">,
): void {
  for (const { file, line, what, rule } of repairs)
    note(`${path.relative(process.cwd(), file)}:${line}: ${what} (${rule})`, options);
  const violations = left.filter(isViolation).length;
  const files = new Set(repairs.map(({ file }) => file)).size;
  const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? "" : "s"}`;
  note(
    repairs.length === 0
      ? `nothing can be repaired for certain; ${count(violations, "violation")} left to decide on`
      : `${count(repairs.length, "repair")} in ${count(files, "file")}; ${count(violations, "violation")} left to decide on`,
    options,
  );
}
