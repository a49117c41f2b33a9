// Mocha's "spec" reporter that also writes its counts and its failures to a file, so that several suites can be added up.
const { writeFileSync } = require("node:fs");
const { reporters } = require("mocha");

class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failures = [];
    runner.on("fail", (test, error) => {
      failures.push({ title: test.fullTitle(), error: `${error?.stack ?? error}` });
    });
    runner.once("end", () => {
      const file = process.env.TEST_COUNTS_FILE;
      if (!file) return;
      const { passes, failures: failed, pending } = runner.stats;
      writeFileSync(file, JSON.stringify({ passed: passes, failed, skipped: pending, failures }));
    });
  }
}

module.exports = CountingReporter;
