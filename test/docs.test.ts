/** The documents name files: those must exist, from the project's root or from src/. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const documents = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

/** What stands in backquotes and looks like a file of ours, and what links lead to. */
function filesNamedIn(text: string): string[] {
  const quoted = [...text.matchAll(/`([\w./-]+\/[\w.-]+\.(?:ts|mjs|md|sh))`/g)];
  const linked = [...text.matchAll(/\]\(((?!https?:|#)[^)\s#]*[./][^)\s#]*)/g)];
  return [...quoted, ...linked].map(([, path = ""]) => path);
}

it.each(documents)("%s names only files that exist", (path) => {
  const folder = join(ROOT, path, "..");
  const missing = filesNamedIn(readFileSync(join(ROOT, path), "utf8")).filter(
    (file) => ![ROOT, join(ROOT, "src"), folder].some((base) => existsSync(join(base, file))),
  );
  expect(missing).toEqual([]);
});
