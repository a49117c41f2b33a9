/**
 * `npm test`: static checks, every suite that needs no engine, every suite that runs on the real Pulumi engine and the
 * real API server, and suites on a real Cilium and a real Calico datapath. Prints what failed once more, and the sum of all as its last line. Where
 * something cannot be had, the suites that need it are named as skipped and the rest still counts.
 *
 * Lanes wait for other programs and for timers, those of break glass and of the datapaths most of all: there are four lanes
 * more at a time than there are cores.
 */
import { availableParallelism } from "node:os";
import { calicoMissing, datapathProblem } from "../lab/datapath/index";
import { labTools } from "../lab/index";
import { findTools, provideTools, ToolchainError } from "../lab/toolchain/index";
import { failuresAgain } from "./support/failures";
import { engineLanes, filesOf, quickLanes } from "./support/lane-files";
import type { Lane } from "./support/lanes";
import { bin, check, inOrder, mocha, runLanes, skipped, sum } from "./support/lanes";

const atOnce = availableParallelism() + 4;

/** Nothing else is judged before the compiler and the build have had their say; the suites use what the build makes. */
const compiler: readonly Lane[] = [
  check("types", bin("tsc"), ["-p", "tsconfig.json", "--noEmit", "--incremental", "--tsBuildInfoFile", kept("types")]),
  check("build", "npm", ["run", "--silent", "build"]),
];

/** What reads the sources only. A file whose content has passed before is not read again. */
const sources = inOrder("linter, formatter, dependency rule", [
  check("lint", bin("eslint"), [...cache("eslint"), "."]),
  check("format", bin("prettier"), ["--check", "--log-level", "warn", ...cache("prettier"), "."]),
  check("arrows between rooms", bin("depcruise"), [
    "--config",
    ".dependency-cruiser.cjs",
    ...["sdk", "policypack", "lab", "examples", "plugin.ts"],
  ]),
  check("unused exports", bin("knip"), ["--no-progress"]),
]);

function cache(tool: string): string[] {
  return ["--cache", "--cache-strategy", "content", "--cache-location", kept(tool)];
}

/** Where a tool keeps what it knows of the last run. */
function kept(tool: string): string {
  return `node_modules/.cache/cluster-security/${tool}`;
}

/** The build has made the pack: lanes that bundle it at the same time would read each other's half. */
const built = { TEST_PACK_IS_BUILT: "1" };

/** A lane of suites that need no engine. */
function quick(name: keyof typeof quickLanes): Lane {
  return mocha(quickLanes[name].title, filesOf(quickLanes, name), built);
}

/** A lane of suites on the real engine and the real API server, with a lab of its own. */
function onEngine(name: keyof typeof engineLanes): Lane {
  const files = filesOf(engineLanes, name);
  return mocha(
    `${engineLanes[name].title}, on the real engine`,
    ["--config", "tests/engine/.mocharc.json", ...files],
    built,
  );
}

async function main(): Promise<number> {
  const results = await runLanes(compiler, atOnce);
  const lanes = process.argv.includes("--quick") ? [...withoutEngine(), sources] : await allLanes();
  results.push(...(await runLanes(lanes, atOnce)));

  const { passed, failed, skipped: left, failures } = sum(results);
  if (left > 0) console.log(`\n${left} skipped: each is named above with its reason`);
  process.stdout.write(failuresAgain(failures));
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

function withoutEngine(): readonly Lane[] {
  return [quick("commands"), quick("rest"), quick("reports"), quick("planning")];
}

/** The longest first; those that wait beside those that count. */
async function allLanes(): Promise<readonly Lane[]> {
  const missing = await engineMissing();
  if (missing) {
    const left = skipped("the suites on the real engine (tests/**/*.engine.test.ts)", missing);
    return [...withoutEngine(), sources, left];
  }
  return [
    ...[onEngine("breakGlassTrial"), ...(await datapathLanes()), onEngine("elsewhere"), onEngine("installing")],
    ...[onEngine("rest"), onEngine("changes"), onEngine("breakGlass")],
    ...[...withoutEngine(), onEngine("lab"), sources],
  ];
}

/**
 * The suites on a real datapath, one after the other: there is room for one. They run where root may make network namespaces
 * and the enforcer is built already: a build of ten minutes is not what somebody who runs the tests asked for.
 */
async function datapathLanes(): Promise<readonly Lane[]> {
  const problem = datapathProblem();
  const built = await findTools(["cilium-agent"]);
  const ofCilium = built["cilium-agent"]
    ? undefined
    : "cilium-agent is not built yet; `npm run test:enforcement` builds it";
  const enforcers = [
    { name: "Cilium", files: ["cases", "random"], missing: problem ?? ofCilium },
    { name: "Calico", files: ["calico", "calico-random"], missing: problem ?? (await calicoMissing()) },
  ];
  const here = enforcers.filter(({ missing }) => missing === undefined);
  // mocha takes no braces
  const files = here.flatMap((each) => each.files.map((name) => `tests/enforcement/${name}.enforcement.test.ts`));
  const names = here.map(({ name }) => name).join(" and ");
  const lane = mocha(`on a real ${names} datapath (cases and random sets; \`npm run test:enforcement\` runs all)`, [
    ...["--config", "tests/enforcement/.mocharc.json"],
    ...files,
  ]);
  return [
    ...(files.length > 0 ? [lane] : []),
    ...enforcers.flatMap(({ name, missing }) =>
      missing === undefined ? [] : [skipped(`the suites on a real ${name} datapath (tests/enforcement)`, missing)],
    ),
  ];
}

/** Why the engine suites cannot run here, or undefined where they can. Builds the tools where they are missing. */
async function engineMissing(): Promise<string | undefined> {
  try {
    await provideTools(labTools);
    return undefined;
  } catch (error) {
    // a build that fails or a checksum that differs is a failure, not a machine that lacks something
    if (error instanceof ToolchainError && error.code === "no-way") return error.message;
    throw error;
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    console.log("\n0 passed, 1 failed");
    process.exit(1);
  },
);
