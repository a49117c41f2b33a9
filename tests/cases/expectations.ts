/** What a case's `expect.json` asks for, and whether the command line answers so. */
import path from "node:path";
import type { Answered, Commands } from "./commands";

type Texts = string | readonly string[];
type Query = readonly [from: string, to: string, ...sources: string[]];

/** One check; see the README beside the cases for what each form means. */
export interface Check {
  readonly query?: Query;
  readonly is?: Texts;
  readonly check?: readonly string[];
  readonly hygiene?: readonly string[];
  readonly finds?: string;
  readonly not?: string;
  readonly about?: Texts;
  readonly unless?: Texts;
  readonly text?: readonly string[];
  readonly run?: readonly string[];
  readonly exit?: number | readonly number[];
  readonly has?: Texts;
  readonly lacks?: Texts;
  readonly "out has"?: Texts;
  readonly "out lacks"?: Texts;
  readonly "err has"?: Texts;
  readonly "err lacks"?: Texts;
  readonly "err lines"?: number;
  readonly once?: Texts;
  readonly distinct?: boolean;
  readonly "same matrix"?: readonly string[];
  readonly as?: readonly string[];
  readonly "or possible"?: boolean;
  readonly agree?: readonly Query[];
  readonly any?: readonly Check[];
  readonly cni?: string;
  readonly stdin?: string;
}

export interface Expectations {
  readonly source: string;
  readonly why: string;
  readonly checks: readonly Check[];
}

/** Runs checks from within a case's folder. */
export class Judge {
  constructor(
    private readonly commands: Commands,
    private readonly folder: string,
  ) {}

  /** What came out instead; nothing where the check holds. */
  async failure(check: Check): Promise<string | undefined> {
    if (check.any !== undefined) {
      const came = await Promise.all(check.any.map((each) => this.failure(each)));
      return came.includes(undefined) ? undefined : came.join("\n");
    }
    if (check.agree !== undefined) {
      const verdicts = await Promise.all(check.agree.map(async (each) => verdictOf(await this.#query(each, check))));
      return new Set(verdicts).size === 1 ? undefined : verdicts.join(", ");
    }
    if (check["same matrix"] !== undefined) return this.#matrices(check, check["same matrix"], check.as ?? []);
    if (check.run !== undefined) {
      const answered = await this.#run(check.run, check);
      const wrong = wrongIn(answered, check);
      return wrong === "" ? undefined : `${wrong}\n${shown(answered)}`;
    }
    if (check.text !== undefined) {
      const answered = await this.#run(check.text, check);
      const both = answered.stdout + answered.stderr;
      const good = answered.code !== 2 && answered.code !== 4 && holdsAll(both, check.has);
      return good && lacksAll(both, check.lacks) ? undefined : shown(answered);
    }
    if (check.query !== undefined) {
      const answered = await this.#query(check.query, check);
      const came = verdictOf(answered);
      return listOf(check.is).includes(came) ? undefined : `${came}, ${shown(answered)}`;
    }
    return this.#findings(check);
  }

  async #findings(check: Check): Promise<string | undefined> {
    const args =
      check.check === undefined
        ? ["hygiene", ...(check.hygiene ?? []), "--format", "json"]
        : ["check", ...check.check, "--fail-on", "none", "--format", "json"];
    const answered = await this.#run(args, check);
    const found = parsed(answered.stdout);
    if (!Array.isArray(found)) return `no JSON, ${shown(answered)}`;
    const wanted = check.finds ?? check.not ?? "*";
    const id = check.check === undefined ? "kind" : "rule";
    const ofId = (found as Record<string, unknown>[]).filter((each) => wanted === "*" || each[id] === wanted);
    const hits = ofId.filter((each) => {
      const text = words(each);
      return holdsAll(text, check.about) && lacksAll(text, check.unless);
    });
    if (hits.length > 0 === (check.finds !== undefined)) return undefined;
    const others = check.finds === undefined ? hits : ofId;
    return `of ${found.length} findings: ${others.map((each) => words(each).replaceAll("\n", " ").slice(0, 400)).join("; ")}`;
  }

  async #matrices(check: Check, one: readonly string[], other: readonly string[]): Promise<string | undefined> {
    const ask = (sources: readonly string[]): Promise<Answered> =>
      this.#run(["matrix", ...sources, "--format", "json"], check);
    const [is, should] = [await ask(one), await ask(other)];
    if (is.code !== 0 && is.code !== 3) return shown(is);
    const [certain, possible] = [pairsOf(is, "conn"), pairsOf(is, "possible")];
    const wanted = pairsOf(should, "conn");
    const equal =
      certain.size === wanted.size && [...wanted].every(([pair, connections]) => certain.get(pair) === connections);
    const added = [...certain].some(([pair, connections]) => wanted.get(pair) !== connections);
    const covered = [...wanted.keys()].every((pair) => certain.has(pair) || possible.has(pair));
    const same = check["or possible"] === true ? !added && covered && (equal || is.code === 3) : equal;
    return same ? undefined : `not the same, ${shown(is)}`;
  }

  #query(query: Query, check: Check): Promise<Answered> {
    return this.#run(["query", ...query, "--format", "json"], check);
  }

  #run(args: readonly string[], { cni, stdin }: Check): Promise<Answered> {
    return this.commands.run({
      args: cni === undefined ? args : [...args, "--cni", cni],
      cwd: this.folder,
      ...(stdin === undefined ? {} : { stdin: path.join(this.folder, stdin) }),
    });
  }
}

function listOf(texts: Texts | undefined): readonly string[] {
  return texts === undefined ? [] : typeof texts === "string" ? [texts] : texts;
}

/** `a|b` is one of the two; case does not count. */
function holds(text: string, wanted: string): boolean {
  const lower = text.toLowerCase();
  return wanted.split("|").some((word) => lower.includes(word.toLowerCase()));
}

function holdsAll(text: string, wanted: Texts | undefined): boolean {
  return listOf(wanted).every((each) => holds(text, each));
}

function lacksAll(text: string, unwanted: Texts | undefined): boolean {
  return !listOf(unwanted).some((each) => holds(text, each));
}

/** What is wrong with a command's output; empty where nothing is. */
function wrongIn({ code, stdout, stderr }: Answered, check: Check): string {
  const exits = check.exit ?? [0, 1, 3];
  const wrong = (typeof exits === "number" ? [exits] : exits).includes(code) ? [] : [`exit ${code}`];
  const places = [
    { text: `${stdout}\n${stderr}`, has: check.has, lacks: check.lacks },
    { text: stdout, has: check["out has"], lacks: check["out lacks"] },
    { text: stderr, has: check["err has"], lacks: check["err lacks"] },
  ];
  for (const { text, has, lacks } of places) {
    wrong.push(...listOf(has).flatMap((each) => (holds(text, each) ? [] : [`lacks ${each}`])));
    wrong.push(...listOf(lacks).flatMap((each) => (holds(text, each) ? [`has ${each}`] : [])));
  }
  const lines = stderr.split("\n").filter((line) => line !== "").length;
  if (lines > (check["err lines"] ?? Infinity)) wrong.push(`${lines} lines on stderr`);
  const rows = stdout.split("\n").filter((line) => line.trim() !== "");
  if (check.distinct === true && new Set(rows).size < rows.length) wrong.push("a line twice");
  for (const each of listOf(check.once)) {
    if (rows.filter((line) => holds(line, each)).length > 1) wrong.push(`more than one line with ${each}`);
  }
  return wrong.join("; ");
}

function verdictOf({ stdout, code }: Answered): string {
  const answer = parsed(stdout) as { verdict?: unknown } | undefined;
  const verdict = typeof answer?.verdict === "string" ? answer.verdict : "no answer";
  const exit = verdict === "allowed" ? 0 : verdict === "denied" ? 1 : 3;
  return code === exit || code === 3 ? verdict : "no answer";
}

function pairsOf({ stdout }: Answered, key: "conn" | "possible"): Map<string, string> {
  const rows = parsed(stdout);
  const pairs = new Map<string, string>();
  for (const row of Array.isArray(rows) ? (rows as Record<string, string | undefined>[]) : []) {
    const connections = row[key] ?? "";
    if (connections !== "" && connections !== "No Connections") pairs.set(`${row["src"]} ${row["dst"]}`, connections);
  }
  return pairs;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Every string and number of a value, one a line. */
function words(value: unknown): string {
  if (typeof value === "object" && value !== null) return Object.values(value).map(words).join("\n");
  return String(value);
}

function shown({ code, stdout, stderr }: Answered): string {
  const text = stdout + stderr;
  return `exit ${code}:\n${text.length < 1500 ? text : `${text.slice(0, 1500)} …`}`;
}
