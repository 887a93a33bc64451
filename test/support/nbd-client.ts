/** A small NBD client for tests, byte-exact, that does what it is told, right or wrong. */
import net from "node:net";
import type { SocketAddress } from "../../src/env/sockets.ts";
import {
  GREETING,
  contextData,
  flagBytes,
  infoData,
  optionBytes,
  requestBytes,
  takeChunk,
  takeOptionReply,
} from "./nbd-wire.ts";
import type { Chunk, OptionReply, WireMode, WireRequest } from "./nbd-wire.ts";

export class NbdTestClient {
  readonly socket: net.Socket;
  mode: WireMode = "simple";
  #bytes = Buffer.alloc(0);
  #isEnded = false;
  #waiting: (() => void)[] = [];
  /** Lengths of reads under way, by cookie, for simple replies. */
  readonly #reads = new Map<bigint, number>();

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("data", (data: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, data]);
      this.#wake();
    });
    const ended = (): void => {
      this.#isEnded = true;
      this.#wake();
    };
    socket.on("end", ended);
    socket.on("close", ended);
    socket.on("error", ended);
  }

  static connect(address: SocketAddress): Promise<NbdTestClient> {
    return new Promise((resolve, reject) => {
      const where = address.kind === "unix" ? { path: address.path } : { ...address };
      const socket = net.connect({ ...where, allowHalfOpen: true, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new NbdTestClient(socket));
      });
    });
  }

  /** Connected, greeted, in transmission. */
  static async open(
    address: SocketAddress,
    options: { mode?: WireMode; name?: string; contexts?: readonly string[] } = {},
  ): Promise<NbdTestClient> {
    const client = await NbdTestClient.connect(address);
    const { mode = "simple", name = "", contexts = [] } = options;
    await client.greet();
    client.mode = mode;
    if (mode !== "simple") await client.expectAck(mode === "structured" ? 8 : 11);
    if (contexts.length > 0) await client.expectAck(10, contextData(name, contexts));
    await client.expectAck(7, infoData(name));
    return client;
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Takes the next `count` bytes. */
  async take(count: number): Promise<Buffer> {
    return this.#next((bytes) =>
      bytes.length < count ? null : { value: bytes.subarray(0, count), size: count },
    );
  }

  async greet(flags?: number): Promise<void> {
    const greeting = await this.take(GREETING.length);
    if (!greeting.equals(GREETING)) throw new Error(`bad greeting ${greeting.toString("hex")}`);
    this.send(flagBytes(flags));
  }

  async optionReply(): Promise<OptionReply> {
    return this.#next((bytes) => {
      const taken = takeOptionReply(bytes);
      return taken === null ? null : { value: taken.reply, size: taken.size };
    });
  }

  /** All replies to an option, the final one last. */
  async option(option: number, data?: Uint8Array): Promise<OptionReply[]> {
    this.send(optionBytes(option, data));
    const replies: OptionReply[] = [];
    for (;;) {
      const reply = await this.optionReply();
      if (reply.option !== option) throw new Error(`reply to option ${reply.option}`);
      replies.push(reply);
      if (reply.type === 1 || reply.type >= 0x8000_0000) return replies;
    }
  }

  async expectAck(option: number, data?: Uint8Array): Promise<OptionReply[]> {
    const replies = await this.option(option, data);
    const last = replies.at(-1)!;
    if (last.type !== 1)
      throw new Error(`option ${option}: ${last.type.toString(16)} ${last.data.toString()}`);
    return replies;
  }

  request(request: WireRequest): void {
    if (request.type === 0) this.#reads.set(BigInt(request.cookie ?? 1), Number(request.length));
    this.send(requestBytes(this.mode, request));
  }

  async chunk(): Promise<Chunk> {
    return this.#next((bytes) => {
      const taken = takeChunk(bytes, (cookie) => this.#reads.get(cookie) ?? 0);
      return taken === null ? null : { value: taken.chunk, size: taken.size };
    });
  }

  /** The chunks of the next reply; all must be of one request. */
  async reply(): Promise<Chunk[]> {
    const chunks: Chunk[] = [];
    do chunks.push(await this.chunk());
    while (!chunks.at(-1)!.isDone);
    if (chunks.some((chunk) => chunk.cookie !== chunks[0]!.cookie))
      throw new Error("replies to different requests are mixed");
    return chunks;
  }

  async call(request: WireRequest): Promise<Chunk[]> {
    this.request(request);
    return this.reply();
  }

  /** The error number that a request ends with. */
  async errno(request: WireRequest): Promise<number> {
    return (await this.call(request)).at(-1)!.errno;
  }

  /** Waits until the server has closed; gives what it still sent. */
  async closed(): Promise<Buffer> {
    while (!this.#isEnded) await this.#more();
    return this.#bytes;
  }

  get receivedBytes(): number {
    return this.#bytes.length;
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #next<T>(take: (bytes: Buffer) => { value: T; size: number } | null): Promise<T> {
    for (;;) {
      const taken = take(this.#bytes);
      if (taken !== null) {
        this.#bytes = this.#bytes.subarray(taken.size);
        return taken.value;
      }
      if (this.#isEnded) throw new Error(`closed with ${this.#bytes.length} bytes left over`);
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
