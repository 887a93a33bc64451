/**
 * Which folder of src/ may import which: imports point down only.
 *
 * LAYERS is the order, lowest first. Folders in one row are peers and may not import each other. PACKAGES says which
 * folder may use which npm package. Both are data, and stale data fails like a wrong import does: a row for
 * a folder that is gone, a folder without a row, a package that nobody uses.
 *
 * Tests may import whatever they test with; production code never imports a test, test/, scripts/ or bench/, and
 * reaches another folder's files by relative paths that end in `.ts`. What implements Env (src/env/node) is chosen by src/bin alone.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/**
 * @typedef {object} Rules
 * @property {readonly (readonly string[])[]} layers Rows of folders of src/, lowest first.
 * @property {Readonly<Record<string, readonly string[]>>} packages npm package -> the folders that may import it.
 * @property {Readonly<Record<string, readonly string[]>>} choosers Folder of implementations -> the folders that may import it.
 */

/** @type {Rules} */
export const RULES = {
  layers: [
    ["base"],
    ["env"],
    ["codec"],
    ["parity"],
    ["block"],
    ["formats"],
    ["devices"],
    ["copy", "pdata", "regions", "sync"],
    ["filesystems"],
    ["md"],
    ["dm"],
    ["volume"],
    ["nbd", "host"],
    ["engine"],
    ["api"],
    ["daemon", "mdadm", "dmsetup"],
    ["sim"],
    ["cli"],
    ["bin"],
  ],
  packages: {
    commander: ["cli"],
    koffi: ["env", "bin"],
    zod: ["api", "daemon"],
  },
  choosers: { "env/node": ["env/node", "env/ring", "bin"], "env/ring": ["env/ring", "bin"] },
};

/**
 * Every breach of the rules below `root`/src, one sentence each; empty when all is well.
 * @param {string} root
 * @param {Rules} rules
 * @returns {string[]}
 */
export function findBreaches(root, rules) {
  const source = join(root, "src");
  const rankOf = new Map(
    rules.layers.flatMap((row, rank) =>
      row.map((folder) => /** @type {[string, number]} */ ([folder, rank])),
    ),
  );
  const files = sourceFiles(source).filter((file) => !file.endsWith(".test.ts"));
  const imports = files.flatMap((file) => importsOf(source, file));
  return [
    ...folderBreaches(source, rankOf),
    ...imports.flatMap((each) => importBreaches(each, rankOf, rules, root)),
    ...unusedPackages(imports, rules),
  ];
}

/**
 * @typedef {object} Import
 * @property {string} file Path below src/, with slashes.
 * @property {string} specifier As written.
 */

/**
 * @param {string} source
 * @returns {string[]}
 */
function sourceFiles(source) {
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts"))
    .toSorted();
}

/**
 * @param {string} source
 * @param {string} file
 * @returns {Import[]}
 */
function importsOf(source, file) {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(source, file), "utf8"), true, true);
  return importedFiles.map(({ fileName }) => ({ file, specifier: fileName }));
}

/**
 * @param {string} source
 * @param {ReadonlyMap<string, number>} rankOf
 * @returns {string[]}
 */
function folderBreaches(source, rankOf) {
  const there = readdirSync(source, { withFileTypes: true });
  const folders = there.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const stray = there.filter((entry) => entry.isFile()).map((entry) => entry.name);
  return [
    ...stray.map((name) => `src/${name} lies outside the layers: move it into a folder of src/.`),
    ...folders
      .filter((folder) => !rankOf.has(folder))
      .map((folder) => `src/${folder} has no place in the order: add it to scripts/layers.mjs.`),
    ...[...rankOf.keys()]
      .filter((folder) => !folders.includes(folder))
      .map((folder) => `scripts/layers.mjs lists src/${folder}, which does not exist.`),
  ];
}

/**
 * @param {Import} each
 * @param {ReadonlyMap<string, number>} rankOf
 * @param {Rules} rules
 * @param {string} root
 * @returns {string[]}
 */
function importBreaches({ file, specifier }, rankOf, rules, root) {
  if (specifier.startsWith("node:")) return [];
  const where = `src/${file} imports "${specifier}"`;
  if (!specifier.startsWith(".")) return packageBreaches(file, specifier, where, rules);

  const target = posix.join(dirname(file), specifier);
  if (target.startsWith("..")) {
    const isData = target === "../package.json";
    return isData ? [] : [`${where}: production code stays inside src/.`];
  }
  if (target.endsWith(".test.ts")) return [`${where}: production code never imports a test.`];
  if (!existsSync(join(root, "src", target))) {
    return [`${where}, which does not exist (write the whole name, ending in .ts).`];
  }
  return [
    ...rankBreaches(file, target, where, rankOf),
    ...chooserBreaches(file, target, where, rules),
  ];
}

/**
 * @param {string} file
 * @param {string} target
 * @param {string} where
 * @param {ReadonlyMap<string, number>} rankOf
 * @returns {string[]}
 */
function rankBreaches(file, target, where, rankOf) {
  const from = topFolder(file);
  const to = topFolder(target);
  const fromRank = rankOf.get(from);
  const toRank = rankOf.get(to);
  if (from === to || fromRank === undefined || toRank === undefined || toRank < fromRank) return [];
  return toRank === fromRank
    ? [`${where}: ${from} and ${to} are peers; what both need belongs in a lower folder.`]
    : [`${where}: ${to} lies above ${from}, and imports point down only.`];
}

/**
 * @param {string} file
 * @param {string} target
 * @param {string} where
 * @param {Rules} rules
 * @returns {string[]}
 */
function chooserBreaches(file, target, where, rules) {
  return Object.entries(rules.choosers)
    .filter(([folder]) => target.startsWith(`${folder}/`))
    .filter(([, allowed]) => !allowed.some((folder) => file.startsWith(`${folder}/`)))
    .map(
      ([folder, allowed]) =>
        `${where}: only ${allowed.join(", ")} may choose src/${folder}; take an Env as an argument.`,
    );
}

/**
 * @param {string} file
 * @param {string} specifier
 * @param {string} where
 * @param {Rules} rules
 * @returns {string[]}
 */
function packageBreaches(file, specifier, where, rules) {
  const allowed = rules.packages[packageName(specifier)];
  if (allowed === undefined) {
    return [`${where}, a package without a line in scripts/layers.mjs.`];
  }
  if (allowed.includes(topFolder(file))) return [];
  return [`${where}: that package is for ${allowed.map((name) => `src/${name}`).join(", ")} only.`];
}

/**
 * @param {readonly Import[]} imports
 * @param {Rules} rules
 * @returns {string[]}
 */
function unusedPackages(imports, rules) {
  const used = new Set(imports.map(({ specifier }) => packageName(specifier)));
  return Object.keys(rules.packages)
    .filter((name) => !used.has(name))
    .map((name) => `scripts/layers.mjs lists the package ${name}, which nothing in src/ imports.`);
}

/** @param {string} specifier */
function packageName(specifier) {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

/** @param {string} path */
function topFolder(path) {
  return path.split("/", 1)[0] ?? "";
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const breaches = findBreaches(root, RULES);
  for (const breach of breaches) console.log(breach);
  process.exitCode = breaches.length === 0 ? 0 : 1;
}
