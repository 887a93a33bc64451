/** Life: what the actions of a script do to an array, its disks and its clients. */
import { HoldfastError } from "../base/errors.ts";
import { flush } from "../block/promises.ts";
import { inBackground, memberOn, returnDisk } from "./administration.ts";
import { Atlas } from "./atlas.ts";
import { Clients } from "./clients.ts";
import { Machine } from "./machine.ts";
import type { Mutant } from "./mutant.ts";
import { Oracle } from "./oracle.ts";
import { lastMoment } from "./pump.ts";
import { describeAction } from "./script.ts";
import type { Action, ArrayScript } from "./script.ts";
import { answered, withdraw } from "./serving.ts";
import { dataOffsetOf, mayNeedForce } from "./shape.ts";
import { World } from "./world.ts";

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

  get complaints(): readonly string[] {
    return this.clients.wrong;
  }

  static async begin(script: ArrayScript, mutant: Mutant | null): Promise<Life> {
    const world = new World(script.seed);
    const machine = new Machine(world, script.shape, mutant);
    let life: Life | null = null;
    if (script.shape.sharesBuffers)
      machine.usersSynced = async () => life !== null && life.clients.writeAltered();
    await world.until("the first start", machine.start());
    life = new Life(machine, new Oracle(machine.managed.array.sectors));
    await world.until("connecting", life.clients.seats.whenUp());
    return life;
  }

  async act(action: Action): Promise<void> {
    const { machine, clients } = this;
    switch (action.do) {
      case "write": {
        clients.write({ ...action, ...this.#inside(action) });
        return;
      }
      case "withdraw":
        return withdraw(this);
      case "break-connection":
        if (clients.seats.break(action.connection)) this.world.say(describeAction(action));
        return;
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
      case "hold-sync":
        this.world.say(describeAction(action));
        inBackground(machine, this.#holdSync(action.sector));
        return;
      case "end-sync":
        this.world.say(describeAction(action));
        await this.world.until("ending sync", machine.managed.sync.setAction(action.word));
        return;
      case "restart":
        await this.#restart();
        return;
      case "stop":
        await this.#stop();
        return;
      case "kill":
        await this.#crash(false, [], action.again);
        return;
      case "cut":
        machine.holdsSync = action.holdsSync === true;
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

  async #holdSync(sector: number): Promise<void> {
    const { settings } = this.machine.managed.sync;
    await Promise.resolve();
    settings.setMax(sector);
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
        if (action.amidSync === true) atlas.takeDoubt(this.oracle);
        disk.health = action.health;
        return;
      case "bad-sector": {
        const at = dataOffsetOf(machine.shape) + (action.sector % machine.shape.componentSectors);
        atlas.sick = action.disk;
        if (action.canBeRead !== true) disk.badReads.add(at);
        if (action.cannotBeWritten === true) disk.badWrites.add(at);
        return;
      }
      case "write-fault":
        machine.isHonest = false;
        disk.writeFaults.push(action.fault);
        return;
      case "rot":
        machine.isHonest = false;
        disk.rot(action.sector % disk.sectors);
        return;
      case "lie-about-flush":
        machine.isHonest = false;
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
        return action.health === "slow" || atlas.mayLose(action.disk, action.amidSync);
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

  async #stop(): Promise<void> {
    const { world, machine, clients, oracle, atlas } = this;
    world.say(`stop, with ${clients.writes} writes under way`);
    await world.until("stopping", machine.close());
    await world.until("clients to hear of it", clients.seats.whenDown());
    if (clients.writes > 0) clients.wrong.push(`stopped while ${clients.writes} are written`);
    const { isShort } = atlas;
    machine.cut();
    clients.crash();
    // What was answered before it was stopped it must have.
    oracle.crash(false);
    await this.#startAgain(isShort);
  }

  async #crash(isPowerCut: boolean, away: readonly number[], again?: number): Promise<void> {
    const { machine, atlas } = this;
    const stay = away.filter((disk) => atlas.ailing.includes(disk));
    const isShort = this.crash(isPowerCut);
    for (const disk of stay) machine.away.add(disk);
    if (again !== undefined) await this.#crashWhileStarting(isPowerCut, again);
    await this.#startAgain(isShort);
  }

  /** The power fails, or only the process dies. @returns whether that may cost what was being written, for want of a member */
  crash(isPowerCut: boolean): boolean {
    const { machine, world, oracle, atlas, clients } = this;
    this.#crashes += 1;
    const { record } = machine.managed.array;
    world.say(`${isPowerCut ? "power cut" : "killed"}, ${record.isClean ? "clean" : "dirty"}`);
    machine.hangUp();
    const { isShort } = atlas;
    atlas.takeRisk(oracle);
    if (isPowerCut) machine.cut();
    else machine.kill();
    clients.crash();
    // A disk that came back just now may count as if it had never been away, without what it had answered.
    oracle.crash(isPowerCut || machine.hasLostCache);
    return isShort;
  }

  async #crashWhileStarting(isPowerCut: boolean, events: number): Promise<void> {
    const { machine, world } = this;
    await lastMoment();
    // Whether it would have started is seen when nothing disturbs it.
    machine.start().catch((error: unknown) => {
      if (!(error instanceof HoldfastError)) throw error;
    });
    await world.steps(events);
    this.#crashes += 1;
    world.say(isPowerCut ? "power cut again" : "killed again");
    if (isPowerCut) machine.cut();
    else machine.kill();
  }

  /** By force only where nothing else is to be expected. */
  async #startAgain(isShort: boolean): Promise<void> {
    const { machine, world } = this;
    await lastMoment();
    try {
      await world.until("starting", machine.start());
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === "timeout") throw error;
      if (!isShort || !mayNeedForce(machine.shape)) throw error;
      world.say(`by force: ${error.message}`);
      await world.until("starting by force", machine.start(true));
    }
    await world.until("connecting again", this.clients.seats.whenUp());
  }

  /** All faults are over and nobody holds it up: what was asked ends. */
  async #quiet(): Promise<void> {
    const { machine, world } = this;
    const { managed, disks } = machine;
    for (const disk of disks) if (disk.health !== "gone") disk.recover();
    await world.until("letting go", managed.array.suspendWrites({ sector: 0, sectors: 0 }));
    await world.until("what administrators asked for", Promise.all(machine.errands));
    await world.until("becoming active", managed.setState("active"));
    managed.sync.settings.setMax(Infinity);
    await world.until("idle", managed.sync.setAction("idle"));
    await answered(this);
    await world.until("a flush", flush(managed.array));
  }

  /** It comes to rest (law 4). */
  async rest(): Promise<void> {
    const { machine, world } = this;
    world.say("rest");
    for (const disk of machine.disks) disk.recover();
    await this.#quiet();
    if (machine.shape.sharesBuffers)
      await world.until("writing again", this.clients.writeAltered());
    await world.until("background sync", machine.managed.sync.whenAtRest());
    await world.until("a flush", flush(machine.managed.array));
  }
}
