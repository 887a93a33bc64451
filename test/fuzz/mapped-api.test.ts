/**
 * The control API's routes for mapped devices, fed with requests by chance.
 *
 * Laws: every request is answered once; what is refused is one sentence with a code of ours, and never a mistake of the daemon's own; no request
 * leaves anything open behind the devices that there are.
 */
import { describe, expect, it } from "vitest";
import { apiServer } from "../../src/api/server.ts";
import { isErrorCode, statusOf } from "../../src/api/statuses.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { Env } from "../../src/env/env.ts";
import type { HttpReply } from "../../src/env/http.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { DmsetupMachine } from "../support/dmsetup-run.ts";
import { FUZZ_SEED, runCases, useWatchdog } from "./campaign.ts";
import { DISK_SECTORS, DISKS, FIRST, randomRequest } from "./mapped-requests.ts";
import type { SpoiltRequest } from "./mapped-requests.ts";

const CASES = 100;
const REQUESTS = 16;
/** Of the event loop: what has not been answered by then waits for another request. */
const TURNS = 30;

useWatchdog();

/** Refusals that are no mistake of the one who asks, and have a status above 499: there is no such target, or no room. */
const BEYOND = new Set<unknown>(["unsupported", "no-space"]);

function checkReply({ status, body }: HttpReply): void {
  const value = JSON.parse(body) as { code: unknown; message: unknown } | null;
  if (status === 200) return;
  const { code, message } = value!;
  expect(message).toMatch(/\S/);
  if (!isErrorCode(code)) throw new Error(`${status}: ${String(message)}`);
  if (status !== 405) expect(status).toBe(statusOf(code));
  if (!BEYOND.has(code)) expect(status, String(message)).toBeLessThan(500);
}

function expectSame(found: unknown, wanted: unknown, what: string): void {
  expect(found, what).toEqual(wanted);
}

class Daemon {
  readonly time = new VirtualTime();
  readonly logged: string[] = [];
  readonly machine: DmsetupMachine;
  readonly #answer: ReturnType<typeof apiServer>;
  /** Not answered yet. */
  readonly #waiting = new Set<SpoiltRequest>();
  taken = 0;

  constructor() {
    const log: Env["log"] = { write: (level, text) => void this.logged.push(`${level}: ${text}`) };
    this.machine = new DmsetupMachine(DISKS.length, DISK_SECTORS, {
      clock: this.time,
      timers: this.time,
      log,
    });
    const notAsked = (): Promise<never> => Promise.reject(new Error("not asked"));
    this.#answer = apiServer({
      host: this.machine.host,
      own: { version: notAsked, health: notAsked, figures: notAsked },
      admit: () => {},
      log,
    });
  }

  async ask(request: SpoiltRequest): Promise<void> {
    const { verb, target, body } = request;
    this.#waiting.add(request);
    const isAlone = this.#waiting.size === 1;
    const before = await this.#held();
    let problem: Error | null = null;
    let status = 0;
    void this.#answer({ verb, target, body, peer: null })
      .then((reply) => {
        this.#waiting.delete(request);
        ({ status } = reply);
        if (status === 200) this.taken += 1;
        checkReply(reply);
      })
      .catch((error: unknown) => (problem = error as Error));
    for (let turn = 0; turn < TURNS && this.#waiting.has(request); turn += 1) await this.#turn();
    if (problem !== null) throw problem as Error;
    if (isAlone && status > 200) expectSame(await this.#held(), before, request.text);
  }

  /** Who there is, with which tables, and the disks that are open. */
  async #held(): Promise<unknown> {
    const devices = await this.machine.host.mappedDevices();
    const tables = devices.map(({ name, uuid, live, inactive }) => ({
      name,
      uuid,
      live,
      inactive,
    }));
    return { tables, open: this.machine.open.toSorted() };
  }

  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.time.next(this.time.monotonicMs() + 1000);
  }

  async end(): Promise<void> {
    await this.time.until(this.machine.host.close());
    for (let turn = 0; turn < TURNS && this.#waiting.size > 0; turn += 1) await this.#turn();
    expectSame(
      [...this.#waiting].map(({ text }) => text),
      [],
      "all are answered",
    );
    expectSame(this.machine.open, [], "nothing is left open");
    const bugs = this.logged.filter((line) => line.includes("A bug in holdfast"));
    expectSame(bugs, [], "none is a mistake of the daemon's own");
  }
}

async function apiCase(prng: Prng, log: string[]): Promise<{ asked: number; taken: number }> {
  const daemon = new Daemon();
  for (const request of FIRST) await daemon.ask(request);
  for (let left = REQUESTS; left > 0; left -= 1) {
    const request = randomRequest(prng);
    log.push(request.text);
    await daemon.ask(request);
  }
  await daemon.end();
  return { asked: REQUESTS, taken: daemon.taken };
}

describe(`the control API of mapped devices by chance (HOLDFAST_SEED=${FUZZ_SEED})`, () => {
  it("answers requests", { timeout: 300_000 }, async () => {
    let asked = 0;
    let taken = 0;
    const ran = await runCases("answers requests", CASES, async (prng, log) => {
      const counts = await apiCase(prng, log);
      asked += counts.asked;
      taken += counts.taken;
    });
    // Of both kinds, unless it is one case that is looked at.
    if (ran === 1) return;
    expect(taken).toBeGreaterThan(asked / 10);
    expect(taken).toBeLessThan((asked * 9) / 10);
  });
});
