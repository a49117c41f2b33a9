// Pulumi's SDK gives each promise a text that says where it was made, which nobody reads but whoever looks for promises that
// never end, with PULUMI_DEBUG_PROMISE_LEAKS. Making these texts, each line looked up in the source maps of the transpiled
// sources, is half of what a component's tests take. So they are made only for that.
const debuggable = require("@pulumi/pulumi/runtime/debuggable");

const { debuggablePromise } = debuggable;
if (debuggablePromise === undefined) throw new Error("the promises of Pulumi's SDK are not made where they were");

if (process.env.PULUMI_DEBUG_PROMISE_LEAKS === undefined) {
  debuggable.debuggablePromise = function debuggablePromiseWithoutTrace(...args) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(...args);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
}
