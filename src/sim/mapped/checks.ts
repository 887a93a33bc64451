/** What must hold when all is over: contents as promised, metadata and copies in order, nothing left behind. */
import { readAll } from "../checks.ts";
import type { MappedLife } from "./life.ts";
import type { Volume } from "./volume.ts";

const REST_MS = 10_000;
const REST_STEP_MS = 20;

/** @returns what is wrong */
export async function checkMapped(life: MappedLife): Promise<string[]> {
  const { setup, machine, world } = life;
  const wrong: string[] = [];
  for (const volume of setup.volumes) wrong.push(...(await checkContent(life, volume)));
  wrong.push(...(await world.until("a look at rest", setup.atRest())));
  const { books } = machine.process;
  for (let leftMs = REST_MS; books.out.length > 0 && leftMs > 0; leftMs -= REST_STEP_MS)
    await world.pass(REST_STEP_MS * 1000);
  wrong.push(...books.out.map((line) => `at rest ${line}`));
  await life.end();
  wrong.push(...books.out.map((line) => `after it was removed ${line}`));
  if (books.timers > 0) wrong.push(`${books.timers} timers are left`);
  if (wrong.length === 0) wrong.push(...(await world.until("a last look", setup.judge())));
  return [...wrong, ...machine.wrong];
}

/** Read twice: it does not come and go. */
async function checkContent({ world }: MappedLife, volume: Volume): Promise<string[]> {
  const { oracle, front, name } = volume;
  if (front === null) return [`${name} cannot be used`];
  if (volume.isLost) return [];
  const least = oracle.floors(0, oracle.sectors, "acknowledged");
  const first = await world.until("reading", readAll(front, 0));
  const wrong = oracle.wrongIn(0, first, least).map((text) => `${name} at the end: ${text}`);
  const second = await world.until("reading again", readAll(front, 1));
  if (Buffer.compare(first, second) !== 0)
    wrong.push(`${name}: two reads, and nobody wrote: not the same`);
  return wrong;
}
