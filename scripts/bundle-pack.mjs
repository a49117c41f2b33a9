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

/** Our sources and the YAML parser do nothing when they are merely imported: what the pack does not use is left out. */
const pureSources = {
  name: "pure-sources",
  setup(bundle) {
    bundle.onResolve({ filter: /^\.|^yaml$|^js-yaml$/ }, async ({ path: wanted, pluginData, ...rest }) => {
      if (pluginData === "resolved") return undefined;
      const found = await bundle.resolve(wanted, { ...rest, pluginData: "resolved" });
      const ours = found.path.startsWith(path.join(root, "sdk")) || !wanted.startsWith(".");
      return { ...found, ...(ours ? { sideEffects: false } : {}) };
    });
  },
};

const result = await build({
  absWorkingDir: root,
  entryPoints: ["policypack/index.ts"],
  outfile: "policypack/bin/index.js",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["@pulumi/*"],
  plugins: [pureSources],
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
