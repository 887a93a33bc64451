/** mdadm --monitor: tells what happens to arrays, until it is interrupted, and moves spares within their groups. */
import { HoldfastError } from "../../base/errors.ts";
import type { MonitorCommand } from "../command.ts";
import { tellAlert } from "./monitor-alert.ts";
import type { Alert, Listeners } from "./monitor-alert.ts";
import { moveSpares } from "./monitor-spares.ts";
import { Watch } from "./monitor-watch.ts";
import type { Session } from "./session.ts";

const USUAL_DELAY_SECONDS = 60;

/** @throws `unsupported` */
function refuseUnsupported({ daemonise }: MonitorCommand): void {
  if (!daemonise) return;
  const instead = "let what starts services keep it running, or put & behind it";
  throw new HoldfastError("unsupported", `--daemonise is not done here: ${instead}`);
}

/** Null: nobody would hear of anything, and that was said. */
async function listenersOf(session: Session, command: MonitorCommand): Promise<Listeners | null> {
  const config = await session.config();
  const program = command.program ?? config.program;
  const mail = command.mail ?? config.mailAddress;
  const { syslog } = command;
  if (program === null && !syslog && (command.mail !== null || session.common.scan)) {
    session.warn(
      "No mail address or alert command - not monitoring.",
      ...(mail === null
        ? []
        : [`No mail is sent from here, so not to ${mail} either: --program can send it.`]),
    );
    return null;
  }
  return { program, syslog };
}

class Monitor {
  readonly #session: Session;
  readonly #command: MonitorCommand;
  readonly #listeners: Listeners;

  constructor(session: Session, command: MonitorCommand, listeners: Listeners) {
    this.#session = session;
    this.#command = command;
    this.#listeners = listeners;
  }

  async #tell(alerts: readonly Alert[]): Promise<void> {
    for (const alert of alerts) await tellAlert(this.#session, this.#listeners, alert);
  }

  async run(): Promise<number> {
    const session = this.#session;
    const host = await session.host();
    const { arrays: lines, monitorDelaySeconds } = await session.config();
    const { devices, incrementPercent, delaySeconds, oneShot, sharing } = this.#command;
    const isScan = devices.length === 0;
    const watch = new Watch({
      named: isScan ? null : devices,
      lines,
      incrementPercent,
      test: session.common.test,
    });
    const delayMs = (delaySeconds ?? monitorDelaySeconds ?? USUAL_DELAY_SECONDS) * 1000;
    // What happened before is not news.
    let after = (await host.events({ after: 0, waitMs: 0 })).at(-1)?.number ?? 0;
    let isOver = false;
    const interrupted = oneShot
      ? null
      : session.tools.interrupted().then(() => {
          isOver = true;
          return null;
        });
    for (;;) {
      const views = await host.arrays();
      await this.#tell(watch.look(views));
      if (oneShot) return 0;
      if (sharing) await this.#tell(await moveSpares(session, lines, watch.mine(views)));
      if (!isScan && !watch.hasRedundancy(views)) {
        session.warn("No array with redundancy detected, stopping");
        return 0;
      }
      const events = await Promise.race([host.events({ after, waitMs: delayMs }), interrupted]);
      if (events === null || isOver) return 0;
      after = events.at(-1)?.number ?? after;
      await this.#tell(watch.happened(events, await host.arrays()));
    }
  }
}

export async function runMonitor(session: Session, command: MonitorCommand): Promise<number> {
  refuseUnsupported(command);
  const listeners = await listenersOf(session, command);
  if (listeners === null) return 1;
  return new Monitor(session, command, listeners).run();
}
