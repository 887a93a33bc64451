import { defineConfig } from "vitest/config";
import { seedOfRun } from "./test/support/seed.ts";

export default defineConfig({
  test: {
    include: [
      "src/**/*.test.ts",
      "test/**/*.test.ts",
      "scripts/**/*.test.ts",
      "bench/**/*.test.ts",
    ],
    // All workers get the same; `npm test` prints it.
    env: { HOLDFAST_SEED: String(seedOfRun()) },
    globalSetup: ["test/support/build-wasm.ts"],
    setupFiles: ["test/support/seed-properties.ts"],
    // Kernel guests, servers and outside clients share two cores; a test's own limits are about hangs, not speed.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
