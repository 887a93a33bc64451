/** MappedLife: what the actions of a script do to mapped devices, their disks and their clients. */
import { HoldfastError } from "../../base/errors.ts";
import { flush } from "../../block/promises.ts";
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

type Placed = Extract<MappedAction, { readonly sector: number }>;
type OfVolume = Extract<MappedAction, { readonly volume: number }>;

export class MappedLife {
  readonly setup: Setup;
  readonly machine: MappedMachine;
  readonly world: World;
  #crashes = 0;

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
    return this.setup.volumes.flatMap(({ clients }) => clients.wrong);
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
    for (const [name, table] of setup.tables()) await machine.make(name, table);
    for (const volume of setup.volumes) volume.open();
  }

  async act(action: MappedAction): Promise<void> {
    const { machine, setup, world } = this;
    switch (action.do) {
      case "alter":
        for (const { clients } of setup.volumes) clients.alter();
        return;
      case "ail":
        await this.#ail(action);
        return;
      case "return": {
        const disk = machine.disks[action.disk % machine.disks.length]!;
        if (disk.health === "well") return;
        world.say(`${disk.name} is back`);
        machine.plugIn(disk);
        return;
      }
      case "repair":
      case "convert":
        world.say(action.do);
        machine.inBackground(() => setup.administer(action));
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
      case "discard":
        volume.clients.discard(inside(volume, action));
        return;
      case "flush":
        volume.clients.flush();
        return;
      case "suspend":
      case "reload":
      case "remove":
        this.world.say(describeAction(action));
        this.#administer(volume, action);
    }
  }

  #administer(
    volume: Volume,
    action: Extract<MappedAction, { readonly do: "suspend" | "reload" | "remove" }>,
  ): void {
    const { machine, setup } = this;
    if (action.do === "remove") {
      machine.inBackground(() => this.#remake(volume));
      return;
    }
    const kind = action.noflush === true ? "noflush" : "flush";
    machine.inBackground(async () => {
      if (action.do === "suspend") {
        await machine.suspended(volume.name, kind, setup.alone, () => machine.pause(action.ms));
        return;
      }
      if (!(await setup.mayReload())) return;
      await machine.load(volume.name, setup.tableOf(volume));
      await machine.suspended(volume.name, kind, setup.alone, () => Promise.resolve());
    });
  }

  async #remake(volume: Volume): Promise<void> {
    const { machine, setup } = this;
    if (!(await setup.mayClose())) return;
    await volume.close();
    await machine.remove(volume.name);
    await machine.make(volume.name, setup.tableOf(volume));
    volume.open();
  }

  /** Passed over where nobody could bear it. */
  async #ail({ disk: number, health }: Extract<MappedAction, { do: "ail" }>): Promise<void> {
    const { machine, setup, world } = this;
    const disk = machine.disks[number % machine.disks.length]!;
    await world.until("a look", setup.look());
    if (health !== "slow" && !setup.mayAil(disk)) return;
    world.say(`${disk.name} is ${health}`);
    disk.health = health;
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
    for (const [name] of setup.tables().toReversed()) await machine.remove(name);
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
    for (const disk of machine.disks) if (disk.health !== "well") machine.plugIn(disk);
    const hasLostCache = isPowerCut || machine.hasLostCache;
    if (isPowerCut) machine.cut();
    else machine.kill();
    for (const volume of setup.volumes) volume.crash(hasLostCache);
  }

  /** Faults are over, what was asked ends, and everything comes to rest. */
  async rest(): Promise<void> {
    const { machine, setup, world } = this;
    world.say("rest");
    for (const disk of machine.disks) if (disk.health !== "well") machine.plugIn(disk);
    await setup.release();
    await world.until("what administrators asked for", Promise.all(machine.errands));
    await setup.settle();
    for (const { clients, front } of setup.volumes) {
      await world.until("writing again", clients.writeAltered());
      await world.until("answers", clients.whenAnswered());
      if (front !== null) await world.until("a flush", flush(front));
    }
    await setup.settle();
  }
}

/** Cut down to the volume. */
function inside(
  { oracle }: Volume,
  { sector, sectors }: Placed,
): { sector: number; sectors: number } {
  const count = Math.min(sectors, oracle.sectors);
  return { sector: sector % (oracle.sectors - count + 1), sectors: count };
}
