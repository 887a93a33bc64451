/** Clients that come over NBD, where the whole run waits for them. */
import type { Life } from "./life.ts";

/** All that they have asked is answered, and they are all connected. */
export async function answered({ world, clients }: Life): Promise<void> {
  if (!clients.seats.isRemote) return;
  await world.until("answers", clients.whenAnswered());
  await world.until("connections", clients.seats.whenUp());
}

/** The array is offered no more, then again. */
export async function withdraw({ world, machine, clients }: Life): Promise<void> {
  const { service } = machine;
  if (service === null) return;
  world.say("withdraw");
  clients.wrong.push(...(await world.until("withdrawing", service.withdraw())));
}

/** Clients go, and nobody is served any more. */
export async function dismiss({ world, machine, clients }: Life): Promise<void> {
  const { service } = machine;
  if (service === null) return;
  await world.until("clients to go", clients.seats.leave());
  clients.wrong.push(...(await world.until("the end of the NBD server", service.stop())));
}
