// A failing `assert.ok(value)` without a message makes Node 20 read its own call out of the source to quote it. The
// source that runs here is one long transpiled line, and searching it takes minutes instead of failing the test. With a
// message nothing is searched, so every call gets one.
const assert = require("node:assert");
const { inspect } = require("node:util");

for (const each of [assert, assert.strict]) {
  const ok = each.ok;
  each.ok = function okWithMessage(value, message) {
    // the plain truth is the common case; the message is made only for a failure
    if (value) return;
    ok(value, message ?? `expected something truthy, got ${inspect(value, { depth: 1 })}`);
  };
}
