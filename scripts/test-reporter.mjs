/**
 * A vitest reporter for the end of a log: the skipped tests by name, and the counts as JSON in the file that
 * HOLDFAST_TEST_COUNTS names, for scripts/test.mjs. Failures in full are the default reporter's part.
 *
 * What can fail without being a test (a file that does not load, a hook, an unhandled rejection) counts as one failed test.
 */
import { writeFileSync } from "node:fs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

export default class LogReporter {
  /** @param {import("vitest/node").Vitest} vitest */
  onInit(vitest) {
    const seed = vitest.config.env?.["HOLDFAST_SEED"];
    if (seed !== undefined) console.log(`HOLDFAST_SEED=${seed}`);
  }

  /**
   * @param {readonly import("vitest/node").TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    /** @type {Counts} */
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    /** @type {string[]} */
    const skipped = [];
    for (const module of modules) {
      const groups = [module, ...module.children.allSuites()];
      counts.failed += groups.filter((group) => group.errors().length > 0).length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") counts.passed += 1;
        else if (state === "skipped") {
          counts.skipped += 1;
          skipped.push(`${module.relativeModuleId} > ${test.fullName}`);
        } else counts.failed += 1;
      }
    }
    if (skipped.length > 0)
      console.log(`Skipped:\n${skipped.map((name) => `  ${name}\n`).join("")}`);
    const file = process.env["HOLDFAST_TEST_COUNTS"];
    if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
  }
}
