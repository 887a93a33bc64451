/** Log lines on stderr: "holdfast: warning: disk2.img has 100 bytes behind its last whole sector." */
import type { Log, LogLevel } from "../env.ts";

const ORDER: readonly LogLevel[] = ["debug", "info", "warning", "error"];

export interface LevelledLog extends Log {
  /** Lines below this level are dropped from now on. */
  setLevel(least: LogLevel): void;
}

/**
 * @param initial lines below this level are dropped
 * @param writeLine gets each line without its newline; stderr by default
 */
export function stderrLog(
  initial: LogLevel,
  writeLine: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): LevelledLog {
  let least = initial;
  return {
    setLevel(level) {
      least = level;
    },
    write(level, message) {
      if (ORDER.indexOf(level) < ORDER.indexOf(least)) return;
      writeLine(`holdfast: ${level === "info" ? "" : `${level}: `}${message}`);
    },
  };
}
