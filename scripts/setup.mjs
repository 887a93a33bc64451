/**
 * What a fresh clone needs before anything can run: npm's packages, and for tests the outside programs of
 * scripts/peers.mjs. Node built-ins only, since it runs when nothing is installed yet.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runToEnd } from "./children.mjs";
import { missingPackages } from "./peers.mjs";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** `npm ci`, when node_modules is missing or older than the lock file. Throws when that fails. */
export async function ensureInstalled() {
  const lock = join(ROOT, "package-lock.json");
  // npm writes it last.
  const installed = join(ROOT, "node_modules", ".package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log("installing npm packages (npm ci)");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env["npm_execpath"];
  const code =
    npm === undefined
      ? await runToEnd("npm", args, { cwd: ROOT, shell: process.platform === "win32" })
      : await runToEnd(process.execPath, [npm, ...args], { cwd: ROOT });
  if (code !== 0) throw new Error("npm ci failed, see above.");
}

/**
 * Installs the Debian packages whose programs are missing, when that is possible here.
 * @param {() => string[]} [findMissing] Other than for tests.
 * @returns {Promise<string[]>} The packages that are still missing.
 */
export async function ensurePeers(findMissing = missingPackages) {
  const missing = findMissing();
  if (missing.length === 0 || !isRootOnDebian()) return missing;
  console.log(`installing Debian packages: ${missing.join(" ")}`);
  if (!(await aptInstall(missing))) {
    // Again, one by one: another release may not know all the names, and one unknown name fails all.
    for (const each of findMissing()) await aptInstall([each]);
  }
  return findMissing();
}

function isRootOnDebian() {
  return process.getuid?.() === 0 && existsSync("/etc/debian_version");
}

/** @param {readonly string[]} packages */
async function aptInstall(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (/** @type {string[]} */ ...args) =>
    runToEnd("apt-get", ["-q", "-o", "Dpkg::Use-Pty=0", ...args], { env });
  if ((await apt("update")) !== 0) return false;
  return (await apt("install", "-y", "--no-install-recommends", ...packages)) === 0;
}
