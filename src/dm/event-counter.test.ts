import { expect, test } from "vitest";
import { EventCounter } from "./event-counter.ts";

test("who waits for an event is told of the next, of one that was, and that nobody waits any more", async () => {
  const events = new EventCounter();
  const waits = [events.wait(0), events.wait(1)];
  events.add();
  await waits[0];
  await events.wait(0);
  events.add();
  await waits[1];
  const abort = new AbortController();
  const given = events.wait(2, abort.signal);
  abort.abort();
  await expect(given).rejects.toThrow("Nobody waits");
  await expect(events.wait(2, abort.signal)).rejects.toThrow("Nobody waits");
  expect(events.count).toBe(2);
});
