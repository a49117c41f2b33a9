/**
 * `node --require tsx/cjs provide.ts helm` and `… cilium-chart 1.20.2`: provides what the provider needs from the lab
 * only when a Helm Release is used, and prints its path as the last line.
 */
import { ciliumChart } from "../crds/index";
import { provideTools } from "../toolchain/index";

async function provide(what: string | undefined, version: string | undefined): Promise<string> {
  if (what === "helm") return (await provideTools(["helm"])).helm.path;
  if (what === "cilium-chart") return ciliumChart(version);
  throw new Error(`provide.ts does not know ${what ?? "nothing"}`);
}

provide(process.argv[2], process.argv[3]).then(
  (path) => process.stdout.write(`${path}\n`),
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
