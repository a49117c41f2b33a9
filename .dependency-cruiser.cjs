/** The arrows of the design: cli, cluster, components, policypack → audit, findings, flows, monitoring, render, reports, scenarios → reachability, plan, charts. */
const pure = "^sdk/(plan|charts|reachability|audit|findings|flows|monitoring|render|reports|scenarios)/";

/** The floors of the engine, lowest first: a floor imports itself and what lies below it. `reachability.ts` is on top. */
const floors = ["model", "readers", "snapshot", "engine", "questions"];
const floorRules = floors.map((floor, level) => ({
  name: `reachability-${floor}-imports-nothing-above-it`,
  severity: "error",
  from: { path: `^sdk/reachability/${floor}/` },
  to: { path: `^sdk/reachability/((${[...floors.slice(level + 1), "-"].join("|")})/|[^/]+$)` },
}));

/** What every start of the command loads. The rooms take ten times as long: a command loads those that it needs. */
const start =
  "^sdk/(cli/((main|run|program[^/]*|completion|ends-help|errors|exit-codes|output|progress)|print/formats|sources/types)|reachability/model/words|render/settings)\\.ts$";

module.exports = {
  forbidden: [
    ...floorRules,
    {
      name: "a-start-loads-no-room",
      severity: "error",
      from: { path: start },
      to: { path: "^sdk/", pathNot: start, dependencyTypesNot: ["type-only", "dynamic-import"] },
    },
    {
      name: "pure-rooms-have-no-effects",
      comment:
        "A pure room imports no Pulumi SDK, no cluster client, no file system, no process. Types are none of these: they are gone at run time.",
      severity: "error",
      from: { path: pure },
      to: {
        path: "node_modules/(@pulumi|@kubernetes)/|^(node:)?(fs|fs/promises|child_process|net|http|https|tls|os|process)$",
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "pure-rooms-know-no-effectful-room",
      severity: "error",
      from: { path: pure },
      to: { path: "^(sdk/(components|cluster|cli)|policypack|lab|examples|tests)/" },
    },
    {
      name: "foundations-know-no-consumers",
      comment: "reachability and charts stand alone; plan may use reachability to prove itself.",
      severity: "error",
      from: { path: "^sdk/(reachability|charts)/" },
      to: { path: "^sdk/(plan|audit|findings|flows|monitoring|render|reports|scenarios)/" },
    },
    {
      name: "reachability-and-plan-know-no-findings",
      severity: "error",
      from: { path: "^sdk/(reachability|plan|charts)/" },
      to: { path: "^sdk/(audit|findings|flows|monitoring|render|reports|scenarios)/" },
    },
    {
      name: "sdk-never-imports-lab",
      severity: "error",
      from: { path: "^(sdk|policypack|plugin\\.ts)" },
      to: { path: "^(lab|examples|tests)/" },
    },
    {
      name: "no-cycles",
      comment: "Neither code nor types.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "declared-dependencies-only",
      severity: "error",
      from: {},
      // an optional peer that is also a development dependency is reported as undeclared
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"], pathNot: "node_modules/@pulumi/kubernetesx/" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "/bin/" },
  },
};
