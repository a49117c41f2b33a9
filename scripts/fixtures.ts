/**
 * `npm run fixtures` fetches what suites read of other projects into the cache: definitions and charts out of their Go
 * modules, each held against its checksum, and the programs that judge reports, at pinned versions, from npm and PyPI. A clone has then all that can be had; what cannot is named at the end, with the tests that do without.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { dump, loadAll } from "js-yaml";
import type { CrdSetName } from "../lab/crds/index";
import { calicoDefinitions, ciliumChart, crdFolder, istioCharts } from "../lab/crds/index";
import { copyWritable, pinFolder } from "../lab/crds/manifests";
import { downloadGoModule } from "../lab/toolchain/go-modules";
import { ToolchainError } from "../lab/toolchain/index";
import { fixture, fixturesFolder } from "../tests/support/fixtures";

/** Fills a folder that is not there yet. */
type Fetch = (folder: string) => Promise<void>;

const copyOf =
  (source: () => Promise<string>): Fetch =>
  async (folder) =>
    cpSync(await source(), folder, { recursive: true });

/** The files of a set, beside each other. */
const definitionsOf =
  (set: CrdSetName): Fetch =>
  async (folder) => {
    const source = await crdFolder(set);
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(source, { recursive: true, encoding: "utf8" })) {
      if (file.endsWith(".yaml")) cpSync(path.join(source, file), path.join(folder, path.basename(file)));
    }
  };

/** What a program installs into a folder. Its own words tell what is wrong where it fails. */
const installedBy =
  (program: string, args: (folder: string) => readonly string[]): Fetch =>
  (folder) => {
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync(program, args(folder), { stdio: ["ignore", "ignore", "pipe"], cwd: folder });
    } catch (error) {
      const words = String((error as { stderr?: Buffer }).stderr ?? error).trim();
      return Promise.reject(new ToolchainError("no-way", `${program}: ${words.split("\n").at(-1) ?? ""}`));
    }
    return Promise.resolve();
  };

const npmPackage = (name: string): Fetch =>
  installedBy("npm", (folder) => ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", name]);

const pythonPackage = (name: string): Fetch =>
  installedBy("python3", (folder) => ["-m", "pip", "install", "--quiet", "--target", folder, name]);

const fixtures: Readonly<Record<string, Fetch>> = {
  "crds/istio": definitionsOf("istio"),
  "crds/network-policy-api": definitionsOf("cluster-network-policy"),
  "crds/policyreport": async (folder) =>
    copyWritable(
      path.join(await downloadGoModule("github.com/kyverno/kyverno", "1.19.1", pinFolder), "config/crds/policyreport"),
      folder,
    ),
  // the reader of netassert's tests, which is internal to its module
  "go/netassert": async (folder) => {
    const module = await downloadGoModule("github.com/controlplaneio/netassert/v2", "2.1.5", pinFolder);
    mkdirSync(folder, { recursive: true });
    for (const file of ["types.go", "read.go"])
      cpSync(path.join(module, "internal/data", file), path.join(folder, file));
  },
  "npm/sarif-multitool": async (folder) => {
    await npmPackage("@microsoft/sarif-multitool@5.7.0")(folder);
    // its install script would do this, and install scripts are not run
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (path.basename(file) === "Sarif.Multitool") chmodSync(path.join(folder, file), 0o755);
    }
  },
  "python/compliance-trestle": pythonPackage("compliance-trestle==5.2.0"),
  "crds/calico": async (folder) => asServed(path.join(await calicoDefinitions(), "crd"), folder),
  ...Object.fromEntries(
    ["1.17.6", "1.18.5", "1.19.6", "1.20.0"].map((version) => [
      `charts/cilium-${version}`,
      copyOf(() => ciliumChart(version)),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries({ base: "base", istiod: "istio-discovery", cni: "istio-cni", ztunnel: "ztunnel" } as const).map(
      ([name, published]) => [
        `charts/${published}-1.31.0`,
        copyOf(async () => (await istioCharts())[name as keyof Awaited<ReturnType<typeof istioCharts>>]),
      ],
    ),
  ),
};

/** What no registry has, and which tests do without it. */
const without: Readonly<Record<string, string>> = {
  "charts/tigera-operator-*": "values of Calico's operator 3.30 to 3.32: tests/charts",
  "charts/*-1.29.6, charts/*-1.30.3": "values of Istio's charts: tests/charts. Those of 1.31 are compared instead",
  "conformance/cyclonus.json": "truth tables of cyclonus: tests/conformance, tests/oracle",
  "schemas/junit-10.xsd": "the schema of Jenkins' xUnit plugin: tests/reports",
  seeds: "documents of users, whom they belong to: tests/findings, tests/policypack",
  cases: "manifests as people have them, with the right answers: tests/cases",
};

/** The definitions under the names that Calico serves them by: its API server keeps the same objects as crd.projectcalico.org. */
function asServed(source: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(source).filter((name) => name.startsWith("crd.projectcalico.org_"))) {
    const documents = loadAll(readFileSync(path.join(source, file), "utf8")) as Definition[];
    const served = documents.map(({ metadata, spec, ...rest }) => ({
      ...rest,
      metadata: { name: metadata.name.replace("crd.projectcalico.org", "projectcalico.org") },
      spec: {
        ...spec,
        group: "projectcalico.org",
        versions: spec.versions.map((version) => ({ ...version, name: "v3" })),
      },
    }));
    const target = path.join(folder, file.replace("crd.projectcalico.org_", ""));
    writeFileSync(target, served.map((one) => dump(one)).join("---\n"));
  }
}

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly versions: readonly object[] };
}

async function main(): Promise<void> {
  const missing: string[] = [];
  for (const [name, fetch] of Object.entries(fixtures)) {
    const folder = path.join(fixturesFolder, name);
    if (existsSync(folder)) {
      console.log(`  there      ${name}`);
      continue;
    }
    const half = `${folder}.making-${process.pid}`;
    try {
      mkdirSync(path.dirname(folder), { recursive: true });
      await fetch(half);
      renameSync(half, folder);
      console.log(`  fetched    ${name}`);
    } catch (error) {
      if (!(error instanceof ToolchainError)) throw error;
      missing.push(name);
      console.log(`  not to be had here  ${name}: ${error.message}`);
    } finally {
      rmSync(half, { recursive: true, force: true });
    }
  }
  console.log(`\nin ${fixturesFolder}\n\nIn no registry; the tests that read it are skipped, and say so:`);
  for (const [name, what] of Object.entries(without)) {
    if (fixture(name) === undefined) console.log(`  ${name.padEnd(34)} ${what}`);
  }
  if (missing.length > 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
