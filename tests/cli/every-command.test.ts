/** Every command and every command below one, from the program's own list: a new one is held to the same at once. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import type { Command, Option } from "commander";
import type * as Run from "../../sdk/cli/run";
import { createProgram } from "../../sdk/cli/program";
import { bundled, commandFile, folderWith, run as runCommand } from "./command";
import { deployment, join, namespace } from "./fixtures";

interface Case {
  /** `["audit", "cronjob"]` */
  readonly words: readonly string[];
  readonly command: Command;
}

function casesOf(command: Command, words: readonly string[]): readonly Case[] {
  return command.commands.flatMap((each) => {
    const own = [...words, each.name()];
    return [{ words: own, command: each }, ...casesOf(each, own)];
  });
}

const cases = casesOf(createProgram("1.2.3", { exitCode: 0 }), []);

const requireHere = createRequire(__filename);

/** Runs a command line in this process: there are hundreds of them here. */
async function run(argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { runCommandLine } = requireHere(bundled("sdk/cli/run.ts")) as typeof Run;
  const text = { stdout: "", stderr: "" };
  const restore = (["stdout", "stderr"] as const).map((name) => {
    const { write } = process[name];
    process[name].write = ((piece: string, ...rest: unknown[]) => {
      text[name] += piece;
      for (const each of rest) if (typeof each === "function") (each as () => void)();
      return true;
    }) as typeof write;
    return () => (process[name].write = write);
  });
  const { exitCode } = process;
  try {
    return { code: await runCommandLine(argv), ...text };
  } finally {
    restore.forEach((each) => each());
    process.exitCode = exitCode;
  }
}

const has = ({ command }: Case, long: string): boolean => command.options.some((option) => option.long === long);
const required = ({ command }: Case): string[] =>
  command.registeredArguments
    .filter((each) => each.required)
    .map(
      (each) =>
        each.argChoices?.[0] ?? (each.name() === "to" ? "shop/web:80" : each.name() === "name" ? "p" : "shop/web"),
    );
const values: Readonly<Record<string, string>> = { "--for": "1h", "--out": "backup" };

/** Options that have to be there. */
const mandatory = ({ command }: Case): string[] =>
  command.options.flatMap((option) =>
    option.mandatory ? [option.long ?? "", option.argChoices?.[0] ?? values[option.long ?? ""] ?? "apps.yaml"] : [],
  );
const takesSources = ({ command }: Case): boolean =>
  command.registeredArguments.some((each) => each.name() === "sources");

/** What went wrong is told in a sentence: not silence, no stack, no half answer. */
function assertRefused({ code, stdout, stderr }: Awaited<ReturnType<typeof run>>, title: string): void {
  assert.ok(code === 2 || code === 4 || code === 3, `${title}: exit code ${code}: ${stdout.slice(0, 200)} ${stderr}`);
  assert.equal(stdout, "", title);
  assert.match(stderr, /\S/, title);
  assert.doesNotMatch(stderr, /\n\s+at |\bundefined\b|\[object |this is a defect/, title);
}

describe("cluster-security: every command", () => {
  let folder: string;
  let remove: () => void;
  let before: string;
  beforeEach(() => {
    ({ folder, remove } = folderWith({ "apps.yaml": join(namespace("shop"), deployment("shop", "web", 80)) }));
    mkdirSync(path.join(folder, "empty"));
    writeFileSync(
      path.join(folder, "kubeconfig"),
      "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n",
    );
    before = process.cwd();
    process.chdir(folder);
  });
  afterEach(() => {
    process.chdir(before);
    remove();
  });

  for (const each of cases) {
    const { words, command } = each;
    const name = words.join(" ");

    it(`${name}: help with usage, arguments, options, an example and exit codes, within 120 columns`, async () => {
      const { code, stdout, stderr } = await run([...words, "--help"]);
      assert.deepEqual([code, stderr], [0, ""]);
      assert.match(stdout, new RegExp(`^Usage: cluster-security ${name}( |\\||$)`, "m"));
      for (const option of command.options) assert.ok(stdout.includes(option.long ?? ""), option.flags);
      // one that only holds others lists them
      if (command.commands.length === 0 || command.options.length > 0) {
        assert.match(stdout, /^Examples?:\n {2}\S/m);
        assert.ok(stdout.slice(stdout.indexOf("Example")).includes(`cluster-security ${name}`), "its own example");
        assert.match(stdout, /^Exit codes:\n {2}0 /m);
      }
      for (const line of stdout.split("\n")) assert.ok(line.length <= 120, line);
      assert.match(command.description(), /^[A-Z].*\.$/s, "a description in a sentence");
      for (const option of command.options) assert.match(option.description, /^\S.*[^.]$/s, option.flags);
    });

    it(`${name}: an unknown option, a missing argument and a value that is none are refused, and help is named`, async () => {
      const unknown = await run([...words, ...required(each), ...mandatory(each), "--no-such-option"]);
      assertRefused(unknown, "unknown option");
      assert.equal(unknown.code, 2);
      assert.match(unknown.stderr, /unknown option '--no-such-option'[^]*--help tells how/);
      if (required(each).length > 0) {
        const missing = await run([...words, ...mandatory(each)]);
        assertRefused(missing, "missing argument");
        assert.equal(missing.code, 2);
        assert.match(missing.stderr, /missing required argument '\w+'/);
      }
      for (const option of command.options.filter(({ argChoices }) => argChoices !== undefined)) {
        const wrong = await run([...words, ...required(each), ...mandatory(each), option.long ?? "", "no-such-value"]);
        assertRefused(wrong, option.flags);
        assert.equal(wrong.code, 2, option.flags);
        assert.match(wrong.stderr, /no-such-value[^]*(Allowed choices|one of)/, option.flags);
      }
    });

    if (takesSources(each)) {
      it(`${name}: a path that is not there, an empty folder, no source at all`, async () => {
        const args = argumentsOf(each);
        for (const source of ["no-such-folder", "empty", undefined]) {
          const ran = await run([...words, ...args, ...(source === undefined ? [] : [source])]);
          assertRefused(ran, source ?? "no source");
          if (source !== undefined) assert.ok(ran.stderr.includes(source), ran.stderr);
        }
      });
    }

    if (has(each, "--context")) {
      it(`${name}: a context that is not there is refused by its name`, async () => {
        const args = argumentsOf(each);
        const ran = await run([...words, ...args, "--context", "no-such-context", "--kubeconfig", "kubeconfig"]);
        assertRefused(ran, "wrong context");
        assert.match(ran.stderr, /no-such-context/);
      });
    }

    if (has(each, "--output") && takesSources(each)) {
      it(`${name}: where --output cannot be written nothing is left`, async () => {
        const args = argumentsOf(each);
        const files = readdirSync(folder, { recursive: true });
        const ran = await run([...words, ...args, "apps.yaml", "--output", "no-such-folder/out"]);
        assertRefused(ran, "--output");
        assert.match(ran.stderr, /"no-such-folder\/out" cannot be written: there is no such folder/);
        assert.deepEqual(readdirSync(folder, { recursive: true }), files);
      });
    }
  }

  it("completion offers every command, every option and every choice, in a real bash", async function () {
    const { code, stdout: script } = await runCommand(["completion", "bash"]);
    assert.equal(code, 0);
    if (spawnSync("bash", ["--version"]).status !== 0 || !existsSync("/bin/bash")) return this.skip();
    const asked = [
      { line: [""], wanted: cases.filter(({ words }) => words.length === 1).map(({ words }) => words[0] ?? "") },
      ...cases.flatMap(({ words, command }) => [
        { line: [...words, "-"], wanted: command.options.flatMap(({ short, long }) => [short, long]).filter(isText) },
        ...command.options.flatMap(({ long = "", argChoices }: Option) =>
          argChoices === undefined ? [] : [{ line: [...words, long, ""], wanted: argChoices }],
        ),
      ]),
    ];
    const questions = asked.map(
      ({ line }) =>
        `COMP_WORDS=(cluster-security ${line.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${line.length}; COMPREPLY=(); _cluster_security; echo "\${COMPREPLY[*]}"`,
    );
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-s"], {
      input: [script, ...questions].join("\n"),
      encoding: "utf8",
    });
    assert.equal(stderr, "");
    stdout
      .trimEnd()
      .split("\n")
      .forEach((answer, index) => {
        const { line, wanted } = asked[index] ?? { line: [], wanted: [] };
        const offered = answer.split(" ");
        assert.deepEqual(
          wanted.filter((word) => !offered.includes(word)),
          [],
          line.join(" "),
        );
      });
  });

  it("completion for zsh and fish names them, too", async () => {
    for (const shell of ["zsh", "fish"]) {
      const { stdout } = await runCommand(["completion", shell]);
      for (const { words, command } of cases) {
        assert.ok(stdout.includes(words.at(-1) ?? ""), words.join(" "));
        for (const { long = "" } of command.options)
          assert.ok(stdout.includes(long.slice(2)), `${words.join(" ")} ${long}`);
      }
    }
  });

  it("on a terminal a command that waits for more than two seconds says that it is still at work", function () {
    if (spawnSync("script", ["--version"]).status !== 0) return this.skip();
    const slow = `(sleep 4; cat apps.yaml) | ${process.execPath} ${commandFile()} matrix -`;
    const { stdout } = spawnSync("script", ["-qec", slow, "/dev/null"], { cwd: folder, encoding: "utf8" });
    assert.match(stdout, /still at work, \d+ s/);
    assert.match(
      stdout.slice(stdout.lastIndexOf("still at work")),
      /^[^\n]*\r\u001b\[K/,
      "the line goes when there is an answer",
    );
    const quiet = spawnSync("script", ["-qec", `${slow} --quiet`, "/dev/null"], { cwd: folder, encoding: "utf8" });
    assert.doesNotMatch(quiet.stdout, /still at work/);
  });
});

function isText(value: string | undefined): value is string {
  return value !== undefined;
}

/** What a command needs besides its sources, so that it comes to read them. */
const besides: Readonly<Record<string, readonly string[]>> = {
  explain: ["shop/web", "shop/web:80"],
  audit: ["--baseline", "apps.yaml"],
};

function argumentsOf(each: Case): readonly string[] {
  return [...(besides[each.words.join(" ")] ?? required(each)), ...mandatory(each)];
}
