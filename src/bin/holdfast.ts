/**
 * The program `holdfast`. Built as one small CommonJS file, which starts as fast as an empty script: it answers
 * `--version` and refuses a Node that is too old; only then is the rest loaded (run.ts, an ES module, which
 * loads each command when it is asked for).
 *
 * HOLDFAST_ARGV0 is set by bin/holdfast: the name it was called by. `mdadm` and `dmsetup` are commands of that name, `holdfastd`
 * is the command `daemon`.
 */
import { VERSION } from "../base/version.ts";

const OLDEST_NODE = "20.19";
const VERB_OF_NAME = new Map([
  ["mdadm", "mdadm"],
  ["dmsetup", "dmsetup"],
  ["holdfastd", "daemon"],
]);

async function main(): Promise<number> {
  if (!isNodeNewEnough(process.versions.node)) {
    process.stderr.write(
      `holdfast: Node.js ${OLDEST_NODE} or newer is needed, and this is ${process.versions.node}: install a newer one from https://nodejs.org.\n`,
    );
    return 1;
  }
  const args = commandLine();
  if (args[0] === "--version" || args[0] === "-V") {
    if (args.length === 1) {
      process.stdout.write(`holdfast ${VERSION}\n`);
      return 0;
    }
    if (args.length === 2 && args[1] === "--verbose") {
      const { verboseVersion } = await import("./run.ts");
      process.stdout.write(await verboseVersion());
      return 0;
    }
  }
  const { run } = await import("./run.ts");
  return run(args);
}

/** The arguments, with the name it was called by in front where that is a command. */
function commandLine(): string[] {
  const calledAs = process.env["HOLDFAST_ARGV0"];
  // Programs started from here are called by their own names.
  delete process.env["HOLDFAST_ARGV0"];
  const args = process.argv.slice(2);
  const verb = calledAs === undefined ? undefined : VERB_OF_NAME.get(calledAs);
  return verb === undefined ? args : [verb, ...args];
}

function isNodeNewEnough(found: string): boolean {
  const [major = 0, minor = 0] = found.split(".").map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE.split(".").map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

main().then(
  (exitCode) => {
    // Not exit(): what was printed into a pipe has still to leave.
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`holdfast: this is a bug in holdfast, please report it: ${text}\n`);
    process.exitCode = 1;
  },
);
