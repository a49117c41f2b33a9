/**
 * `node --require late-modules.cjs …` loads the libraries with which Pulumi's SDK reads functions and lists a package's
 * dependencies when they are first used, not at the start. Only functions that are sent to a cloud need them, and loading
 * them takes half of what a program, a pack or a plugin takes to start at every operation.
 */
const Module = require("node:module");
const path = require("node:path");

/** Each with what the compiler's helper for imports is told: that it is an ES module is not copied, which would load it. */
const late = new Map([
  ["@npmcli/arborist", true],
  ["normalize-package-data", undefined],
  ["typescript", undefined],
]);
const sdk = path.join(path.sep, "node_modules", "@pulumi", "pulumi", path.sep);
const load = Module._load;

Module._load = function loadOrDefer(request, parent, isMain) {
  if (!late.has(request) || !parent?.filename?.includes(sdk)) return load.call(this, request, parent, isMain);
  // where it is missing the SDK has another
  Module._resolveFilename(request, parent, isMain);
  let exports;
  return deferred(late.get(request), () => (exports ??= load.call(Module, request, parent, isMain)));
};

/** Stands for a module's exports, which may be a function. */
function deferred(isEsModule, exportsOf) {
  const get = (_, key) => (key === "__esModule" ? isEsModule : exportsOf()[key]);
  return new Proxy(() => undefined, { get, apply: (_, self, args) => Reflect.apply(exportsOf(), self, args) });
}
