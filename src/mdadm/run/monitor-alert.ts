/** What monitoring tells of an event, and to whom: a program, a log, or else standard output. */
import { ctimeText } from "../../base/dates.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { LogLevel } from "../../env/env.ts";
import type { Session } from "./session.ts";

export interface Alert {
  /** mdadm's word: "Fail", "Rebuild20", ... */
  readonly event: string;
  /** Path of the array. */
  readonly array: string;
  /** The member it is about, or a remark; null: none. */
  readonly about: string | null;
}

export interface Listeners {
  readonly program: string | null;
  readonly syslog: boolean;
}

const GRAVE = new Set(["DeviceDisappeared", "Fail", "FailSpare", "DegradedArray"]);

function levelOf(event: string): LogLevel {
  if (GRAVE.has(event)) return "error";
  return event.startsWith("Rebuild") || event === "SparesMissing" ? "warning" : "info";
}

/** "Nov 21 17:25:54". */
function timeText(wallMs: number): string {
  return ctimeText(Math.floor(wallMs / 1000)).slice(4, 19);
}

async function runProgram(session: Session, program: string, words: string[]): Promise<void> {
  try {
    await session.tools.runProgram(program, words);
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    session.warn(`${program} could not be run: ${thrown.message}`);
  }
}

export async function tellAlert(
  session: Session,
  { program, syslog }: Listeners,
  alert: Alert,
): Promise<void> {
  const { event, array, about } = alert;
  const { clock, log } = session.env;
  session.event(alert);
  if (program !== null)
    await runProgram(session, program, [event, array, ...(about === null ? [] : [about])]);
  if (syslog) {
    const component = about === null ? "" : `, component device ${about}`;
    log.write(levelOf(event), `${event} event detected on md device ${array}${component}`);
  }
  if (program === null && !syslog)
    session.print(
      `${timeText(clock.wallMs())}: ${event} on ${array} ${about ?? "unknown device"}\n`,
    );
  await session.flush();
}
