/**
 * `node run-bundle.cjs <bundle> …` runs a bundled program (bundle.ts) as `node <bundle> …` would, and keeps beside it what
 * V8 made of it: compiling a few megabytes again is a third of the time that a provider takes to start.
 */
const { existsSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const { createRequire, wrap } = require("node:module");
const path = require("node:path");
const { Script } = require("node:vm");

const file = path.resolve(process.argv[2]);
process.argv.splice(1, 2, file);
const kept = `${file}.${process.version}-${process.arch}.cache`;
const cachedData = existsSync(kept) ? readFileSync(kept) : undefined;
// a command's first line is the system's to read
const text = wrap(readFileSync(file, "utf8").replace(/^#!/, "//"));
const script = new Script(text, { filename: file, cachedData });

// after a while, or at its end, the functions that a start needs have been compiled
if (cachedData === undefined || script.cachedDataRejected) {
  const keep = () => {
    clearTimeout(later);
    process.off("exit", keep);
    const temporary = `${kept}.${process.pid}.new`;
    try {
      writeFileSync(temporary, script.createCachedData());
      renameSync(temporary, kept);
    } catch {
      // its folder is gone, or nothing may be written there: the next start compiles again
    }
  };
  const later = setTimeout(keep, 1500).unref();
  process.once("exit", keep);
}

// a script that is not compiled anew cannot import(); this file can
globalThis.importModule = (name) => import(name);

const bundle = { exports: {} };
script.runInThisContext().call(bundle.exports, bundle.exports, createRequire(file), bundle, file, path.dirname(file));
