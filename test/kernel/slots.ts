/**
 * At most two guests at a time on this machine, over all test workers and runs: two cores are the useful limit.
 * A slot is an abstract unix socket that somebody listens on: the kernel gives it back when its holder dies, however it dies.
 */
import { createServer } from "node:net";
import type { Server } from "node:net";
import { userInfo } from "node:os";
import { setTimeout as wait } from "node:timers/promises";

const SLOTS = 2;

function listen(slot: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(null));
    server.listen(`\0holdfast-guest-${userInfo().uid}-${slot}`, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Waits for a free slot. The function it resolves with gives the slot back. */
export async function takeSlot(): Promise<() => void> {
  for (;;) {
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const server = await listen(slot);
      if (server !== null) return () => void server.close();
    }
    await wait(50);
  }
}
