import { describe, expect, it } from "vitest";
import type { ConnectionHandlers } from "../env/sockets.ts";
import { SimProcess } from "./process.ts";
import { NBD_ADDRESS } from "./service.ts";
import { SimNetwork } from "./sockets.ts";
import type { Link } from "./sockets.ts";
import { World } from "./world.ts";

/** What one end was told. */
class Heard implements ConnectionHandlers {
  readonly pieces: Uint8Array[] = [];
  readonly said: string[] = [];

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.pieces));
  }

  onData(data: Uint8Array): void {
    this.pieces.push(Uint8Array.from(data));
  }

  onDrain(): void {
    this.said.push("drain");
  }

  onEnd(): void {
    this.said.push("end");
  }

  onClose(error: Error | null): void {
    this.said.push(error === null ? "closed" : "broken");
  }
}

async function connected(seed: number): Promise<{
  world: World;
  network: SimNetwork;
  server: SimProcess;
  link: Link;
  atServer: Heard;
  atClient: Heard;
}> {
  const world = new World(seed);
  const network = new SimNetwork(world);
  const [server, client] = [new SimProcess(world), new SimProcess(world)];
  const [atServer, atClient] = [new Heard(), new Heard()];
  await network.socketsOf(server).listen(NBD_ADDRESS, (connection) => connection.start(atServer));
  const link = await world.until("connecting", network.connect(client, NBD_ADDRESS));
  link.client.start(atClient);
  return { world, network, server, link, atServer, atClient };
}

const MESSAGE = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7) % 251);

describe.each([1, 2, 3, 4, 5, 6, 7, 8])("a simulated connection, seed %i", (seed) => {
  it("brings all bytes in order, in pieces, and holds the writer back", async () => {
    const { world, link, atServer, atClient } = await connected(seed);
    let isSent = false;
    expect(
      link.client.write([MESSAGE.subarray(0, 28), MESSAGE.subarray(28)], () => (isSent = true)),
    ).toBe(false);
    await world.pass(1e7);
    expect(Buffer.compare(atServer.bytes, MESSAGE)).toBe(0);
    expect(atServer.pieces.length).toBeGreaterThan(1);
    expect(isSent).toBe(true);
    expect(atClient.said).toEqual(["drain"]);
    expect(link.client.queuedBytes).toBe(0);
  });

  it("brings nothing while it is paused", async () => {
    const { world, link, atServer } = await connected(seed);
    link.server.pause();
    let isSent = false;
    link.client.write([MESSAGE], () => (isSent = true));
    await world.pass(1e7);
    expect(atServer.pieces).toEqual([]);
    expect(isSent).toBe(false);
    link.server.resume();
    await world.pass(1e7);
    expect(atServer.bytes.length).toBe(MESSAGE.length);
  });

  it("ends in two halves", async () => {
    const { world, link, atServer, atClient } = await connected(seed);
    link.client.write([MESSAGE]);
    link.client.end();
    await world.pass(1e7);
    expect(atServer.bytes.length).toBe(MESSAGE.length);
    expect(atServer.said).toEqual(["end"]);
    link.server.end();
    await world.pass(1e7);
    expect(atClient.said.filter((word) => word !== "drain")).toEqual(["end", "closed"]);
    expect(atServer.said).toEqual(["end", "closed"]);
  });

  it("breaks at any byte, and both sides hear of it", async () => {
    const { world, link, atServer, atClient } = await connected(seed);
    let sent = 0;
    link.client.write([MESSAGE], () => (sent += 1));
    link.server.write([MESSAGE], () => (sent += 1));
    await world.steps(3);
    link.break();
    await world.pass(1e7);
    for (const { bytes, said } of [atServer, atClient]) {
      expect(bytes.length).toBeLessThan(MESSAGE.length);
      expect(Buffer.compare(bytes, MESSAGE.subarray(0, bytes.length))).toBe(0);
      expect(said.at(-1)).toBe("broken");
    }
    expect(sent).toBe(2);
  });

  it("brings nothing to a process that was killed, and its peer hears of it", async () => {
    const { world, network, server, link, atServer, atClient } = await connected(seed);
    link.client.write([MESSAGE]);
    link.server.write([MESSAGE.subarray(0, 64)]);
    await world.steps(3);
    const before = atServer.bytes.length;
    network.died(server);
    server.kill();
    await world.pass(1e7);
    expect(atServer.bytes.length).toBe(before);
    expect(atServer.said).toEqual([]);
    expect(atClient.said.at(-1)).toBe("broken");
    expect(link.server.isGone).toBe(true);
    const again = network.connect(new SimProcess(world), NBD_ADDRESS);
    await expect(world.until("connecting", again)).rejects.toMatchObject({ code: "not-found" });
  });
});
