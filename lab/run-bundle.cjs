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
const script = new Script(wrap(readFileSync(file, "utf8")), { filename: file, cachedData });

// after a while the functions that a start needs have been compiled; a run that ends before leaves it to a later one
if (cachedData === undefined || script.cachedDataRejected) {
  setTimeout(() => {
    const temporary = `${kept}.${process.pid}.new`;
    writeFileSync(temporary, script.createCachedData());
    renameSync(temporary, kept);
  }, 1500).unref();
}

const bundle = { exports: {} };
script.runInThisContext().call(bundle.exports, bundle.exports, createRequire(file), bundle, file, path.dirname(file));
