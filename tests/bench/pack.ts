/**
 * What the policy pack costs a stack of 2,000 resources, beside a compiled pack with one empty resource policy and one empty
 * stack policy: both are started and asked as the Pulumi engine does it, one after the other in the same run.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PackProcess, packFolder, repoRoot, type WireResource } from "../policypack/support/pack-process";

/** One measurement, in seconds. */
export interface PackCost {
  readonly measurement: string;
  readonly seconds: number;
  /** This over the same of the empty pack. */
  readonly ratio: number;
  /** The same of what both packs' processes compute, which other load on the machine does not change. */
  readonly cpuRatio?: number;
  /** What the ratio may be (design, budgets). */
  readonly budget: number;
}

const emptyPack = `const { PolicyPack } = require("@pulumi/policy");
new PolicyPack("empty", { policies: [
  { name: "resource", description: "Empty.", enforcementLevel: "mandatory", validateResource: () => {} },
  { name: "stack", description: "Empty.", enforcementLevel: "mandatory", validateStack: () => {} },
] });
`;

interface Time {
  readonly seconds: number;
  readonly cpu: number | undefined;
}

type Times = Readonly<Record<"start" | "clean" | "hostile", Time>>;

/** Start-up and a whole stack, the best of `runs` for each pack; the packs take turns. */
export async function measurePack(runs = 3): Promise<PackCost[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "pack-bench-"));
  try {
    const [empty, ours] = [folderOf(folder, "empty"), folderOf(folder, "ours")];
    mkdirSync(path.join(empty, "bin"));
    writeFileSync(path.join(empty, "bin", "index.js"), emptyPack);
    cpSync(path.join(packFolder, "bin"), path.join(ours, "bin"), { recursive: true });
    const stacks = { clean: stackOf(false), hostile: stackOf(true) };
    const times: { empty: Times[]; ours: Times[] } = { empty: [], ours: [] };
    for (let run = 0; run < runs; run++) {
      times.empty.push(await timesOf(empty, stacks));
      times.ours.push(await timesOf(ours, stacks));
    }
    const count = stacks.clean.length;
    const measurements = {
      start: "policy pack: start-up",
      clean: `policy pack: ${count} resources`,
      hostile: `policy pack: ${count} resources, every third a hole`,
    };
    return (["start", "clean", "hostile"] as const).map((what): PackCost => {
      const [base, own] = [best(times.empty, what), best(times.ours, what)];
      return {
        measurement: measurements[what],
        seconds: own.seconds,
        ratio: own.seconds / base.seconds,
        ...(own.cpu === undefined || base.cpu === undefined ? {} : { cpuRatio: own.cpu / base.cpu }),
        budget: what === "start" ? 2 : 1.3,
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function folderOf(root: string, name: string): string {
  const folder = path.join(root, name);
  mkdirSync(folder);
  cpSync(path.join(packFolder, "PulumiPolicy.yaml"), path.join(folder, "PulumiPolicy.yaml"));
  cpSync(path.join(packFolder, "package.json"), path.join(folder, "package.json"));
  symlinkSync(path.join(repoRoot, "node_modules"), path.join(folder, "node_modules"));
  return folder;
}

const namespaces = 50;
const applications = 25;

/**
 * 2,000 resources as a team declares them: closed namespaces, each workload with the flows that it needs, nothing open.
 * A hostile one lets every workload that has a flow out to every address, cloud metadata among them.
 */
function stackOf(hostile: boolean): WireResource[] {
  const environment = Array.from({ length: 40 }, (_, index) => ({ name: `NAME_${index}`, value: `value ${index}` }));
  return Array.from({ length: namespaces }, (_, index) => `team-${index}`).flatMap((home) => [
    resource("v1", "Namespace", home, undefined, {}),
    policy(home, "default-deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }),
    ...Array.from({ length: applications }, (_, index) => {
      const app = `app-${index}`;
      const containers = [{ name: app, image: "registry.example/app:1", env: environment }];
      const template = { metadata: { labels: { app } }, spec: { containers } };
      return resource("apps/v1", "Deployment", app, home, { selector: { matchLabels: { app } }, template });
    }),
    ...Array.from({ length: 13 }, (_, index) => {
      const [from, to] = [`app-${index}`, `app-${index + 1}`];
      const ports = [{ protocol: "TCP", port: 8080 }];
      return policy(home, `allow-${from}-to-${to}`, {
        podSelector: { matchLabels: { app: to } },
        policyTypes: hostile ? ["Ingress", "Egress"] : ["Ingress"],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }], ports }],
        ...(hostile ? { egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }] } : {}),
      });
    }),
  ]);
}

function policy(home: string, name: string, spec: object): WireResource {
  return resource("networking.k8s.io/v1", "NetworkPolicy", name, home, spec);
}

function resource(
  apiVersion: string,
  kind: string,
  name: string,
  home: string | undefined,
  spec: object,
): WireResource {
  const type = `kubernetes:${apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`}:${kind}`;
  const logical = home === undefined ? name : `${home}-${name}`;
  const metadata = { name, ...(home === undefined ? {} : { namespace: home }) };
  const urn = `urn:pulumi:bench::bench::${type}::${logical}`;
  return { type, name: logical, urn, props: { apiVersion, kind, metadata, spec } };
}

async function timesOf(folder: string, stacks: Readonly<Record<"clean" | "hostile", WireResource[]>>): Promise<Times> {
  const { start, time: clean } = await timeOf(folder, stacks.clean);
  const { time: hostile } = await timeOf(folder, stacks.hostile);
  return { start, clean, hostile };
}

/** How long a fresh pack takes to start, and then to judge a stack. */
async function timeOf(folder: string, resources: readonly WireResource[]): Promise<{ start: Time; time: Time }> {
  const started = performance.now();
  const pack = await PackProcess.start(folder, { preview: true });
  try {
    const start = { seconds: (performance.now() - started) / 1000, cpu: pack.cpuSeconds };
    const asked = performance.now();
    for (const resource of resources) await pack.analyze(resource);
    await pack.analyzeStack(resources);
    const cpu = pack.cpuSeconds;
    return {
      start,
      time: {
        seconds: (performance.now() - asked) / 1000,
        cpu: cpu === undefined || start.cpu === undefined ? undefined : cpu - start.cpu,
      },
    };
  } finally {
    await pack.stop();
  }
}

function best(times: readonly Times[], what: keyof Times): Time {
  const cpu = times.map((each) => each[what].cpu).filter((each) => each !== undefined);
  return {
    seconds: Math.min(...times.map((each) => each[what].seconds)),
    cpu: cpu.length === 0 ? undefined : Math.min(...cpu),
  };
}
