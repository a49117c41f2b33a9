/**
 * `node --require compile-cache.cjs …` keeps what V8 makes of the JavaScript files that a program loads, for the next program
 * that loads them. The engine starts programs, packs and plugins anew at every operation, and compiling Pulumi's SDK with all
 * that it imports is a third of what their start takes. Node 22 does the same by itself.
 */
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { Script } = require("node:vm");

const folder =
  process.env.LAB_COMPILE_CACHE ??
  path.join(__dirname, "..", "node_modules", ".cache", "pulumi-cluster-security", "compiled");

if (Module.enableCompileCache !== undefined) Module.enableCompileCache(folder);
else keepCompiled();

function keepCompiled() {
  const kept = path.join(folder, `${process.version}-${process.arch}`);
  mkdirSync(kept, { recursive: true });
  const compile = Module.prototype._compile;
  /** Scripts that were compiled here, by the files that will keep them. */
  const fresh = new Map();

  Module.prototype._compile = function compileOrReuse(content, filename) {
    if (!isWorthKeeping(content, filename)) return compile.call(this, content, filename);
    const file = path.join(kept, createHash("sha1").update(`${filename}\0`).update(content).digest("hex"));
    const cachedData = contentOf(file);
    const script = new Script(Module.wrap(content), { filename, cachedData });
    if (cachedData === undefined || script.cachedDataRejected) fresh.set(file, script);
    const run = script.runInThisContext();
    return run.call(this.exports, this.exports, requireOf(this), this, filename, path.dirname(filename));
  };

  /** Keeps what is new. A process that waits has compiled the functions that a start needs; one that ends keeps what it has. */
  const keep = () => {
    const scripts = [...fresh];
    fresh.clear();
    try {
      for (const [file, script] of scripts) {
        const temporary = `${file}.${process.pid}`;
        writeFileSync(temporary, script.createCachedData());
        renameSync(temporary, file);
      }
    } catch {
      // a full disk is no reason to end a program that works
    }
  };
  setTimeout(keep, 1500).unref();
  process.on("exit", keep);
}

/** Small files are compiled as fast as they are looked up. V8 forgets of what it has kept how a module imports others later. */
function isWorthKeeping(content, filename) {
  if (content.length < 4000 || !/\.c?js$/.test(filename) || content.startsWith("#!")) return false;
  // the compiler of TypeScript names such imports in texts alone
  return filename.endsWith(path.join("typescript", "lib", "typescript.js")) || !/\bimport\s*\(/.test(content);
}

function contentOf(file) {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

/** The function that a module has as `require`. */
function requireOf(module) {
  const require = (id) => module.require(id);
  require.resolve = (request, options) => Module._resolveFilename(request, module, false, options);
  require.resolve.paths = (request) => Module._resolveLookupPaths(request, module);
  return Object.assign(require, { main: process.mainModule, extensions: Module._extensions, cache: Module._cache });
}
