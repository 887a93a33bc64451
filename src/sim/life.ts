/** Life: one run of a script, from a new array to the judgement of what is left of it. */
import { HoldfastError } from "../base/errors.ts";
import { flush } from "../block/promises.ts";
import { inBackground, memberOn, returnDisk } from "./administration.ts";
import { Atlas } from "./atlas.ts";
import { checkAtRest, checkContent } from "./checks.ts";
import { Clients } from "./clients.ts";
import { Machine } from "./machine.ts";
import type { Mutant } from "./mutant.ts";
import { Oracle } from "./oracle.ts";
import { Strays } from "./pump.ts";
import { describeAction } from "./script.ts";
import type { Action, Script } from "./script.ts";
import { dataOffsetOf, parityDisks } from "./shape.ts";
import { World } from "./world.ts";

/** What a run has come to. */
export interface Outcome {
  /** Broken: a law was, or it never ended. */
  readonly kind: "clean" | "broken";
  /** What is wrong, a line each; the first tells most. */
  readonly what: readonly string[];
  readonly world: World;
  /** How often the power failed or the process died. */
  readonly crashes: number;
}

const MOST_LINES = 10;

export class Life {
  readonly machine: Machine;
  readonly world: World;
  readonly oracle: Oracle;
  readonly atlas: Atlas;
  readonly clients: Clients;
  #crashes = 0;

  private constructor(machine: Machine, oracle: Oracle) {
    this.machine = machine;
    this.world = machine.world;
    this.oracle = oracle;
    this.atlas = new Atlas(machine);
    this.clients = new Clients(machine, oracle);
  }

  /** So far. */
  get crashes(): number {
    return this.#crashes;
  }

  static async begin(script: Script, mutant: Mutant | null): Promise<Life> {
    const world = new World(script.seed);
    const machine = new Machine(world, script.shape, mutant);
    await world.until("the first start", machine.start());
    return new Life(machine, new Oracle(machine.managed.array.sectors));
  }

  async act(action: Action): Promise<void> {
    const { machine, clients } = this;
    switch (action.do) {
      case "write": {
        const { sector, sectors } = this.#inside(action);
        clients.write(sector, sectors, action.fua ?? false, action.preflush ?? false);
        return;
      }
      case "alter":
        if (machine.shape.sharesBuffers) clients.alter();
        return;
      case "read": {
        const { sector, sectors } = this.#inside(action);
        clients.read(sector, sectors);
        return;
      }
      case "flush":
        clients.flush();
        return;
      case "wait":
        this.world.say(describeAction(action));
        await this.world.pass(action.ms * 1000);
        return;
      case "rest":
        await this.rest();
        return;
      case "restart":
        await this.#restart();
        return;
      case "kill":
        await this.#crash(false, []);
        return;
      case "cut":
        await this.#crash(true, action.away, action.again);
        return;
      case "suspend": {
        this.world.say(describeAction(action));
        const range = action.sectors === 0 ? { sector: 0, sectors: 0 } : this.#inside(action);
        inBackground(machine, machine.managed.array.suspendWrites(range));
        return;
      }
      case "sync-action":
        this.world.say(describeAction(action));
        inBackground(machine, machine.managed.sync.setAction(action.word));
        return;
      case "array-state": {
        this.world.say(describeAction(action));
        const { managed } = machine;
        inBackground(machine, managed.setState(action.word));
        return;
      }
      default:
        this.#ail(action);
    }
  }

  #inside({ sector, sectors }: { readonly sector: number; readonly sectors: number }): {
    sector: number;
    sectors: number;
  } {
    const count = Math.min(sectors, this.oracle.sectors);
    return { sector: sector % (this.oracle.sectors - count + 1), sectors: count };
  }

  /** What happens to single disks; passed over where the array could not bear it. */
  #ail(action: Extract<Action, { readonly disk: number }>): void {
    const { machine, atlas } = this;
    const disk = machine.disks[action.disk];
    if (disk === undefined || !this.#isBearable(action)) return;
    this.world.say(describeAction(action));
    switch (action.do) {
      case "ail":
        disk.health = action.health;
        return;
      case "bad-sector": {
        const at = dataOffsetOf(machine.shape) + (action.sector % machine.shape.componentSectors);
        atlas.sick = action.disk;
        disk.badReads.add(at);
        if (action.cannotBeWritten === true) disk.badWrites.add(at);
        return;
      }
      case "write-fault":
        disk.writeFaults.push(action.fault);
        return;
      case "rot":
        disk.rot(action.sector % disk.sectors);
        return;
      case "lie-about-flush":
        disk.liesAboutFlush = true;
        return;
      case "return":
        machine.away.delete(action.disk);
        inBackground(machine, returnDisk(machine, action.disk));
        return;
      case "fail-member": {
        const why = new HoldfastError("io", "somebody wants it out");
        inBackground(machine, machine.managed.failMember(memberOn(machine, action.disk)!, why));
        return;
      }
      case "replace":
        machine.managed.wantReplacement(memberOn(machine, action.disk)!);
    }
  }

  #isBearable(action: Extract<Action, { readonly disk: number }>): boolean {
    const { atlas, machine } = this;
    const member = memberOn(machine, action.disk);
    switch (action.do) {
      case "ail":
        return action.health === "slow" || atlas.mayLose(action.disk);
      case "bad-sector":
        return atlas.maySicken(action.disk);
      case "return":
        return !machine.returning.has(action.disk) && (member === undefined || member.isFaulty);
      case "fail-member":
        return member?.isInSync === true && atlas.mayLose(action.disk);
      case "replace":
        return member?.isInSync === true;
      case "write-fault":
      case "rot":
      case "lie-about-flush":
        return true;
    }
  }

  async #restart(): Promise<void> {
    const { world, machine, clients, oracle } = this;
    world.say("restart");
    await this.#quiet();
    await world.until("stopping", machine.stop());
    clients.crash();
    oracle.crash(false);
    await this.#startAgain(false);
  }

  async #crash(isPowerCut: boolean, away: readonly number[], again?: number): Promise<void> {
    const { machine, world, oracle, atlas, clients } = this;
    this.#crashes += 1;
    const { record } = machine.managed.array;
    world.say(`${isPowerCut ? "power cut" : "killed"}, ${record.isClean ? "clean" : "dirty"}`);
    const { isShort } = atlas;
    const stay = away.filter((disk) => atlas.ailing.includes(disk));
    atlas.takeRisk(oracle);
    if (isPowerCut) machine.cut();
    else machine.kill();
    for (const disk of stay) machine.away.add(disk);
    clients.crash();
    oracle.crash(isPowerCut);
    if (again !== undefined) await this.#cutWhileStarting(again);
    await this.#startAgain(isShort);
  }

  async #cutWhileStarting(events: number): Promise<void> {
    const { machine, world } = this;
    // Whether it would have started is seen when nothing disturbs it.
    machine.start().catch((error: unknown) => {
      if (!(error instanceof HoldfastError)) throw error;
    });
    await world.steps(events);
    this.#crashes += 1;
    world.say("power cut again");
    machine.cut();
  }

  /** By force only where nothing else is to be expected: parity that lacks a member in a dirty array. */
  async #startAgain(isShort: boolean): Promise<void> {
    const { machine, world } = this;
    const { consistency } = machine.shape;
    try {
      await world.until("starting", machine.start());
    } catch (error) {
      const hasLog = consistency === "ppl" || consistency === "journal";
      if (!(error instanceof HoldfastError) || error.code === "timeout") throw error;
      if (parityDisks(machine.shape) === 0 || !isShort || hasLog) throw error;
      world.say(`by force: ${error.message}`);
      await world.until("starting by force", machine.start(true));
    }
  }

  /** All faults are over and nobody holds it up: what was asked ends. */
  async #quiet(): Promise<void> {
    const { machine, world } = this;
    const { managed, disks } = machine;
    for (const disk of disks) if (disk.health !== "gone") disk.recover();
    await world.until("letting go", managed.array.suspendWrites({ sector: 0, sectors: 0 }));
    await world.until("what administrators asked for", Promise.all(machine.errands));
    await world.until("becoming active", managed.setState("active"));
    await world.until("idle", managed.sync.setAction("idle"));
    await world.until("a flush", flush(managed.array));
  }

  /** It comes to rest (law 4). */
  async rest(): Promise<void> {
    const { machine, world } = this;
    world.say("rest");
    for (const disk of machine.disks) disk.recover();
    await this.#quiet();
    await world.until("background sync", machine.managed.sync.whenAtRest());
    await world.until("a flush", flush(machine.managed.array));
  }
}

/** Plays a script. One at a time in a thread: errors that nobody waits for are the run's that is played. */
export async function play(script: Script, mutant: Mutant | null = null): Promise<Outcome> {
  const strays = new Strays();
  let life: Life | null = null;
  const wrong: string[] = [];
  try {
    life = await Life.begin(script, mutant);
    await live(life, script);
    wrong.push(...(await checkContent(life)));
    wrong.push(...(await checkAtRest(life)));
  } catch (error) {
    wrong.push(textOf(error));
  }
  strays.forget();
  wrong.push(...(life?.clients.wrong ?? []), ...strays.errors.map(textOf));
  return {
    kind: wrong.length === 0 ? "clean" : "broken",
    what: wrong.slice(0, MOST_LINES),
    world: life?.world ?? new World(script.seed),
    crashes: life?.crashes ?? 0,
  };
}

async function live(life: Life, { steps }: Script): Promise<void> {
  for (const { action, events } of steps) {
    await life.act(action);
    await life.world.steps(events);
  }
  await life.rest();
}

/** With its stack where it is a mistake in the code; what is told to users says it all by itself. */
function textOf(error: unknown): string {
  if (error instanceof HoldfastError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
