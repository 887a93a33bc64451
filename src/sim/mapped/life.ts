/** MappedLife: what the actions of a script do to mapped devices, their disks and their clients. */
import { HoldfastError } from "../../base/errors.ts";
import { flush } from "../../block/promises.ts";
import type { SimDisk } from "../disk.ts";
import type { Mutant } from "../mutant.ts";
import { lastMoment } from "../pump.ts";
import { describeAction } from "../script.ts";
import type { MappedScript } from "../script.ts";
import { World } from "../world.ts";
import type { MappedAction } from "./action.ts";
import type { MappedMachine } from "./machine.ts";
import { makeSetup } from "./make-setup.ts";
import type { Setup } from "./setup.ts";
import type { Volume } from "./volume.ts";

/** Less than the deadline of requests. */
const STUCK_US = 2_000_000;
/** What disks were asked before has been answered then, or given up: administrators see which it was. */
const ANSWERED_US = 500_000;

type Placed = Extract<MappedAction, { readonly sector: number }>;
type OfVolume = Extract<
  MappedAction,
  { readonly do: "write" | "read" | "discard" | "flush" | "remove" }
>;
type Suspension = Extract<MappedAction, { readonly do: "suspend" | "reload" }>;

export class MappedLife {
  readonly setup: Setup;
  readonly machine: MappedMachine;
  readonly world: World;
  #crashes = 0;
  /** From when on they may be stuck again. */
  readonly #unstuckUs = new Map<SimDisk, number>();

  constructor({ seed, stack }: MappedScript, mutant: Mutant | null) {
    this.world = new World(seed);
    this.setup = makeSetup(this.world, stack, mutant);
    this.machine = this.setup.machine;
  }

  /** So far. */
  get crashes(): number {
    return this.#crashes;
  }

  get wrong(): string[] {
    return this.machine.wrong;
  }

  get complaints(): readonly string[] {
    const { volumes, dropped } = this.setup;
    return [...volumes, ...dropped].flatMap(({ clients }) => clients.wrong);
  }

  begin(): Promise<void> {
    return this.world.until("the first start", this.#start());
  }

  async #start(): Promise<void> {
    const { machine, setup } = this;
    machine.boot();
    this.wrong.push(...(await setup.judge()));
    await this.#make();
  }

  async #make(): Promise<void> {
    const { machine, setup } = this;
    for (const [index, [name, table]] of setup.tables().entries()) {
      if (index === 1) await setup.prepare();
      await machine.make(name, table);
    }
    for (const volume of setup.volumes) volume.open();
  }

  async act(action: MappedAction): Promise<void> {
    const { machine, setup, world } = this;
    switch (action.do) {
      case "alter":
        if (!setup.sharesBuffers) return;
        for (const { clients } of setup.volumes) clients.alter();
        return;
      case "ail":
        await this.#ail(action);
        return;
      case "return": {
        const disk = machine.disks[action.disk % machine.disks.length]!;
        if (disk.health === "well") return;
        world.say(`${disk.name} is back`);
        machine.plugIn(disk).catch(fail);
        return;
      }
      case "repair":
      case "convert":
      case "snapshot":
      case "drop":
      case "merge":
        world.say(describeAction(action));
        machine.change(() => setup.administer(action));
        return;
      case "suspend":
      case "reload":
        this.#suspend(action);
        return;
      case "wait":
        world.say(describeAction(action));
        await world.pass(action.ms * 1000);
        return;
      case "rest":
        await this.rest();
        return;
      case "restart":
        await this.#restart();
        return;
      case "kill":
        await this.#crash(false, action.again);
        return;
      case "cut":
        await this.#crash(true, action.again);
        return;
      default:
        this.#use(action);
    }
  }

  /** What clients ask of a volume, and what is done to it while they do. */
  #use(action: OfVolume): void {
    const { volumes } = this.setup;
    const volume = volumes[action.volume % volumes.length]!;
    switch (action.do) {
      case "write":
        volume.clients.write({ ...action, ...inside(volume, action) });
        return;
      case "read": {
        const { sector, sectors } = inside(volume, action);
        volume.clients.read(sector, sectors);
        return;
      }
      case "discard": {
        const { sector, sectors } = inside(volume, action);
        const what = this.setup.discarded(volume, sector, sectors);
        volume.clients.discard(sector, sectors, what);
        return;
      }
      case "flush":
        volume.clients.flush();
        return;
      case "remove":
        this.world.say(describeAction(action));
        this.machine.change(() => this.#remake(volume));
    }
  }

  #suspend(action: Suspension): void {
    const { machine, setup } = this;
    const { devices } = setup;
    const name = devices[action.volume % devices.length]!;
    this.world.say(`${action.do} ${name}`);
    const kind = action.noflush === true ? "noflush" : "flush";
    if (action.do === "suspend") {
      const { ms } = action;
      machine.inBackground(async () => {
        if (setup.devices.includes(name))
          await machine.suspended(name, kind, setup.alone, () => machine.pause(ms));
      });
      return;
    }
    machine.change(async () => {
      if (!setup.devices.includes(name) || !(await setup.mayReload())) return;
      await machine.load(name, setup.tableOf(name));
      await machine.suspended(name, kind, setup.alone, () => Promise.resolve());
    });
  }

  /** It was to be made anew, and a disk did not answer. */
  async #takeUp(volume: Volume): Promise<void> {
    const { machine, setup } = this;
    const device = machine.device(volume.name);
    if (device.live === null) {
      await machine.load(volume.name, setup.tableOf(volume.name));
      await machine.mapped.resume(device);
    }
    volume.open();
  }

  async #remake(volume: Volume): Promise<void> {
    const { machine, setup } = this;
    if (!setup.volumes.includes(volume) || !(await setup.mayClose(volume))) return;
    await volume.close();
    await machine.remove(volume.name);
    await machine.make(volume.name, setup.tableOf(volume.name));
    volume.open();
  }

  /** Passed over where nobody could bear it. */
  async #ail({ disk: number, health }: Extract<MappedAction, { do: "ail" }>): Promise<void> {
    const { machine, setup, world } = this;
    const disk = machine.disks[number % machine.disks.length]!;
    if (disk.health !== "well") return;
    if (health === "stuck") {
      this.#stick(disk);
      return;
    }
    await world.until("a look", setup.look());
    if (health !== "slow" && !setup.mayAil(disk)) return;
    world.say(`${disk.name} is ${health}`);
    disk.health = health;
  }

  #stick(disk: SimDisk): void {
    const { world } = this;
    if (world.nowUs < (this.#unstuckUs.get(disk) ?? 0)) return;
    this.#unstuckUs.set(disk, world.nowUs + 2 * STUCK_US);
    world.say(`${disk.name} is stuck`);
    disk.health = "hung";
    world.after(STUCK_US, () => {
      if (disk.health === "hung") disk.recover();
    });
  }

  async #restart(): Promise<void> {
    const { world } = this;
    await this.rest();
    world.say("restart");
    await world.until("removing all", this.#removeAll());
    await world.until("making all again", this.#make());
  }

  async #removeAll(): Promise<void> {
    const { machine, setup } = this;
    await Promise.all(setup.volumes.map((volume) => volume.close()));
    for (const name of setup.removable()) await machine.remove(name);
  }

  /** Nothing is left of it. */
  async end(): Promise<void> {
    await this.world.until("removing all", this.#removeAll());
    this.wrong.push(...this.machine.leftOpen);
  }

  async #crash(isPowerCut: boolean, again?: number): Promise<void> {
    const { machine, setup, world } = this;
    this.#die(isPowerCut);
    if (again !== undefined) {
      await lastMoment();
      // Whether it would have started is seen when nothing disturbs it.
      this.#start().catch((error: unknown) => {
        if (!(error instanceof HoldfastError)) throw error;
      });
      await world.steps(again);
      this.#die(isPowerCut);
    }
    await lastMoment();
    await world.until("starting", this.#start());
    await world.until("a look", setup.look());
    if (machine.wrong.length > 0) return;
  }

  #die(isPowerCut: boolean): void {
    const { machine, setup, world } = this;
    this.#crashes += 1;
    world.say(isPowerCut ? "power cut" : "killed");
    if (isPowerCut) machine.cut();
    else machine.kill();
    const isVolatile = isPowerCut || machine.hasLostCache || setup.commitsLater;
    for (const volume of setup.volumes) volume.crash(isVolatile);
  }

  /** Faults are over, what was asked ends, and everything comes to rest. */
  async rest(): Promise<void> {
    const { machine, setup, world } = this;
    world.say("rest");
    for (const disk of machine.disks)
      if (disk.health !== "well") await world.until("plugging in", machine.plugIn(disk));
    await world.pass(ANSWERED_US);
    await setup.release();
    await world.until("what administrators asked for", Promise.all(machine.errands));
    for (const volume of setup.volumes)
      if (!volume.isOpen) await world.until("taking up", this.#takeUp(volume));
    await setup.settle();
    for (const { clients, front } of setup.volumes) {
      await world.until("answers", clients.whenAnswered());
      await setup.until("writing again", () => clients.writeAltered());
      if (front !== null) await world.until("a flush", flush(front));
    }
    await setup.settle();
  }
}

/** Seen by whoever looks for errors in promises that nobody waits for. */
function fail(error: unknown): never {
  throw error;
}

/** Cut down to the volume. */
function inside(
  { oracle }: Volume,
  { sector, sectors }: Placed,
): { sector: number; sectors: number } {
  const count = Math.min(sectors, oracle.sectors);
  return { sector: sector % (oracle.sectors - count + 1), sectors: count };
}
