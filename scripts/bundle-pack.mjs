/**
 * Bundles the policy pack into one JavaScript file, policypack/bin/index.js. `pulumi policy publish` takes the pack's
 * folder alone, so everything of ours goes in; only @pulumi/* stays outside, because the pack's process brings it along
 * and a second copy would not share its types.
 *
 * Usage: node scripts/bundle-pack.mjs
 */
import { fileURLToPath } from "node:url";
import path from "node:path";
import { build } from "esbuild";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

const result = await build({
  absWorkingDir: root,
  entryPoints: ["policypack/index.ts"],
  outfile: "policypack/bin/index.js",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["@pulumi/*"],
  sourcemap: true,
  // names in stack traces stay those of the sources
  keepNames: true,
  legalComments: "eof",
  metafile: true,
  logLevel: "warning",
});

const foreign = Object.values(result.metafile.outputs)
  .flatMap((output) => output.imports)
  .map((item) => item.path)
  .filter((item) => !item.startsWith("@pulumi/") && !item.startsWith("node:") && !isBuiltin(item));
if (foreign.length > 0) throw new Error(`the bundle would need ${[...new Set(foreign)].join(", ")} beside it`);

/** Node's own modules, written without `node:` by older packages. */
function isBuiltin(name) {
  return ["fs", "path", "os", "util", "crypto", "events", "stream", "buffer", "url", "assert", "process"].includes(
    name,
  );
}
