import {
  judgeOf,
  learn as learnFlows,
  withLearned,
  writtenDeclaration,
  type DeclarationForm,
  type Learned,
  type Recording,
} from "../../flows/index";
import { DeclarationError, type ClusterSecurityDeclaration } from "../../plan";
import { resolve } from "../../plan/resolve/resolve";
import { readDeclaration } from "../declaration-file";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { headLines, heldOutLines, leftOutLines, type HeldOut } from "../print/learn";
import { recordingLines } from "../print/replay";
import { load, note, type InputOptions } from "../snapshot";
import { newOutputOf } from "./options";
import { record, refuseHalfRecordings, shareOf, unreadOf } from "./recording";

export interface LearnOptions extends InputOptions {
  /** What is declared already: only what it lacks is written. */
  readonly declaration?: string;
  /** The cluster's workloads, Services and nodes: files, folders, `context=NAME`. */
  readonly policies: readonly string[];
  /** The last part of the recording, which is not learnt from. A percentage. */
  readonly holdout?: string;
  /** Evidence that a flow needs. */
  readonly minCount: string;
  readonly minDays: string;
  readonly maxUnknown: string;
  /** Default: by the file's name, else YAML. */
  readonly format?: DeclarationForm;
  readonly output?: string;
  /** Writes over a file that exists. */
  readonly overwrite: boolean;
}

/** `cluster-security learn`: the declaration that recorded flows would need. */
export async function learn(names: readonly string[], options: LearnOptions): Promise<ExitCode> {
  const limit = shareOf(options.maxUnknown, "--max-unknown");
  const holdout = options.holdout === undefined ? undefined : shareOf(options.holdout, "--holdout");
  if (holdout === 0 || holdout === 1) throw usageError("--holdout: use a share between 0% and 100%, such as 20%");
  const evidence = {
    minCount: countOf(options.minCount, "--min-count"),
    minDays: countOf(options.minDays, "--min-days"),
  };
  const output = newOutputOf(options);
  const declared = options.declaration === undefined ? undefined : await declaredIn(options.declaration);
  const recording = await record(names, options, holdout);
  refuseHalfRecordings(recording, names, "what has to be declared");
  const loaded = options.policies.length === 0 ? undefined : await load(options.policies, options);
  const { parts } = recording;
  if (parts !== undefined && (parts.earlier.length === 0 || parts.later.length === 0)) {
    throw inputError("--holdout: one of the two parts of the recording is empty: record for longer");
  }
  const known = {
    ...evidence,
    ...(declared === undefined ? {} : { model: declared.model }),
    ...(loaded === undefined ? {} : { reachability: loaded.reachability }),
    names: recording.names,
  };
  const learned = learnFlows(parts?.earlier ?? recording.classes, known);
  output.write(writtenDeclaration(learned, formOf(options), headLines(names, recording, learned)));
  await output.end();
  for (const line of [...recordingLines(recording), ...leftOutLines(learned)]) note(line, options);
  const denied = parts === undefined ? [] : heldOut(parts, declared?.declaration, learned, known);
  for (const line of parts === undefined ? [] : heldOutLines(parts, denied)) note(line, options);
  if (denied.some(({ why }) => why === undefined)) return exitCodes.no;
  return unreadOf(recording) > limit || loaded?.holes === true ? exitCodes.incomplete : exitCodes.ok;
}

/** What the declaration that was learnt would deny of the later part. */
function heldOut(
  { later }: NonNullable<Recording["parts"]>,
  base: ClusterSecurityDeclaration | undefined,
  learned: Learned,
  known: Parameters<typeof learnFlows>[1],
): readonly HeldOut[] {
  const { leftOut } = learnFlows(later, known);
  const judge = judgeOf(withLearned(base, learned));
  return later.flatMap((each) => {
    const meant = leftOut.find(({ class: other }) => other === each)?.reason;
    return judge([each])
      .filter(({ effect }) => effect === "would-be-denied" || effect === "unknown")
      .map((flow) => ({ flow, ...(meant === undefined ? {} : { why: meant }) }));
  });
}

async function declaredIn(
  file: string,
): Promise<{ declaration: ClusterSecurityDeclaration; model: ReturnType<typeof resolve> }> {
  const declaration = (await readDeclaration(file)) as ClusterSecurityDeclaration;
  try {
    return { declaration, model: resolve(declaration) };
  } catch (error) {
    if (error instanceof DeclarationError) throw inputError(`"${file}": ${error.message}`);
    throw error;
  }
}

function formOf({ format, output }: LearnOptions): DeclarationForm {
  if (format !== undefined) return format;
  if (output !== undefined && /\.[cm]?[jt]s$/.test(output)) return "typescript";
  return output?.endsWith(".json") === true ? "json" : "yaml";
}

function countOf(text: string, option: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw usageError(`${option}: "${text}" is no number of at least 1`);
  return Number(text);
}
