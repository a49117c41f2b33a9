// Pulumi's SDK gives each promise the stack trace of where it was made, as a text. Here the sources are transpiled, and looking
// up every line of every trace in the source maps takes longer than what is tested. Nobody reads these traces, so they are left
// as they are; those of a failing test are looked up as ever.
const debuggable = require("@pulumi/pulumi/runtime/debuggable");

const { debuggablePromise } = debuggable;
if (debuggablePromise === undefined) throw new Error("the promises of Pulumi's SDK are not made where they were");
debuggable.debuggablePromise = function debuggablePromiseWithoutMaps(...args) {
  process.setSourceMapsEnabled(false);
  try {
    return debuggablePromise(...args);
  } finally {
    process.setSourceMapsEnabled(true);
  }
};
