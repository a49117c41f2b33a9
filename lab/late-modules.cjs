/**
 * `node --require late-modules.cjs …` loads the library with which Pulumi's SDK lists a package's dependencies when it is
 * first used, not at the start. Only functions that are sent to a cloud need it, and loading it takes 0.4 CPU seconds, a third
 * of what a program, a pack or a plugin takes to start at every operation.
 */
const Module = require("node:module");
const path = require("node:path");

const late = "@npmcli/arborist";
const sdk = path.join(path.sep, "node_modules", "@pulumi", "pulumi", path.sep);
const load = Module._load;

Module._load = function loadOrDefer(request, parent, isMain) {
  if (request !== late || !parent?.filename?.includes(sdk)) return load.call(this, request, parent, isMain);
  let exports;
  return deferred(() => (exports ??= load.call(Module, request, parent, isMain)));
};

/** Stands for a module's exports. The compiler's helper for imports copies what is no `__esModule`, which would load it. */
function deferred(exportsOf) {
  return new Proxy({}, { get: (_, key) => (key === "__esModule" ? true : exportsOf()[key]) });
}
