/** Manage mode: read-only, the devices one by one, read-write, run, stop; the first that fails ends it. */
import { HoldfastError } from "../../base/errors.ts";
import type { MemberView } from "../../md/view/array-view.ts";
import type { ManageCommand } from "../command.ts";
import { arrayKey } from "./array-name.ts";
import { runArray, setReadOnly, setReadWrite, stopArray } from "./control.ts";
import { addDevice, reAddMissing, reviveFailed } from "./manage-add.ts";
import { replaceDevices } from "./manage-replace.ts";
import { membersMeant } from "./members-meant.ts";
import type { Session } from "./session.ts";

type ManagedDevice = ManageCommand["devices"][number];

interface NamedMember {
  /** As the host knows it. */
  readonly key: string;
  readonly shown: string;
}

const IN_USE = 2;
const NOTHING_DONE = 2;

/** A word that stands for members: none that fits is no error. */
function isGroup(word: string): boolean {
  return /^(?:faulty|failed|detached|set-[A-Z])$/.test(word);
}

function shownName({ path, device }: MemberView): string {
  return path ?? device;
}

class Manager {
  readonly #session: Session;
  readonly #command: ManageCommand;
  readonly #array: string;
  /** So many devices were changed. */
  #done = 0;

  constructor(session: Session, command: ManageCommand) {
    this.#session = session;
    this.#command = command;
    this.#array = arrayKey(command.array);
  }

  async run(): Promise<number> {
    const { array, readOnly, readWrite, run, stop, common } = this.#command;
    if (!(await this.#isThere()))
      return this.#session.refuse(1, `error opening ${array}: No such file or directory`);
    const steps: (() => Promise<number>)[] = [
      ...(readOnly ? [() => setReadOnly(this.#session, array)] : []),
      () => this.#devices(),
      ...(readWrite ? [() => setReadWrite(this.#session, array)] : []),
      ...(run && !readOnly ? [() => runArray(this.#session, array)] : []),
      ...(stop ? [() => stopArray(this.#session, array)] : []),
    ];
    for (const step of steps) {
      const code = await step();
      if (code !== 0) return code;
    }
    return common.test && this.#command.devices.length > 0 && this.#done === 0 ? NOTHING_DONE : 0;
  }

  async #devices(): Promise<number> {
    const { devices } = this.#command;
    for (const [at, device] of devices.entries()) {
      const code = await this.#device(device, at);
      if (code !== 0) return code;
    }
    return 0;
  }

  #device(device: ManagedDevice, at: number): Promise<number> | number {
    switch (device.action) {
      case "fail":
        return this.#each(device, (member) => this.#fail(member));
      case "remove":
        return this.#each(device, (member) => this.#remove(member));
      case "replace":
        return this.#replace(device, at);
      case "with":
        // With the --replace in front of it.
        return 0;
      case "re-add":
        if (device.missing) return this.#counted(reAddMissing(this.#session, this.#command));
        return this.#each(device, (member) => this.#reAdd(device, member));
      case "add":
      case "add-spare":
      case "add-journal":
        return this.#add(device);
    }
  }

  /** A member that has failed and is still there need not be taken out first; as one of several it may come back as a new one. */
  async #reAdd(device: ManagedDevice, { key, shown }: NamedMember): Promise<number> {
    const said = await reviveFailed(this.#session, this.#command, key);
    if (said === null && !isGroup(device.path)) return this.#add(device);
    if (said === null) {
      const code = await this.#remove({ key, shown });
      return code === 0 ? this.#add({ ...device, path: key, action: "add" }) : code;
    }
    this.#changed("reAdded", shown);
    this.#say(said);
    return 0;
  }

  #add(device: ManagedDevice): Promise<number> {
    return this.#counted(addDevice(this.#session, this.#command, device));
  }

  async #counted(done: Promise<number>): Promise<number> {
    const code = await done;
    if (code === 0) this.#done += 1;
    return code;
  }

  async #each(
    device: ManagedDevice,
    act: (member: NamedMember) => Promise<number>,
  ): Promise<number> {
    const { path } = device;
    if (!isGroup(path)) return act({ key: await this.#keyOf(path), shown: path });
    for (const member of await membersMeant(this.#session, this.#array, path)) {
      const code = await act({ key: shownName(member), shown: shownName(member) });
      if (code !== 0) return code;
    }
    return 0;
  }

  /** A path; a bare word that is the kernel's name of a member stays as it is. */
  async #keyOf(word: string): Promise<string> {
    if (word.includes("/")) return this.#session.absolute(word);
    const { members } = await (await this.#session.host()).array(this.#array);
    const absolute = this.#session.absolute(word);
    if (members.some(({ path }) => path === absolute)) return absolute;
    const isMember = members.some(
      ({ device, major, minor }) => device === word || `${major}:${minor}` === word,
    );
    return isMember ? word : absolute;
  }

  async #fail({ key, shown }: NamedMember): Promise<number> {
    const host = await this.#session.host();
    try {
      await host.fail({ array: this.#array, device: key });
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      const failed = `set device faulty failed for ${shown}: `;
      if (thrown.code === "not-found") return this.#session.refuse(1, `${failed} No such device`);
      if (thrown.code !== "busy") return this.#session.refuse(1, `${failed}${thrown.message}`);
      return this.#session.refuse(IN_USE, `${failed} Device or resource busy`, thrown.message);
    }
    this.#changed("failed", shown);
    this.#say(`set ${shown} faulty in ${this.#command.array}`);
    return 0;
  }

  async #remove({ key, shown }: NamedMember): Promise<number> {
    const host = await this.#session.host();
    try {
      await host.remove({ array: this.#array, device: key });
    } catch (thrown) {
      if (!(thrown instanceof HoldfastError)) throw thrown;
      const failed = `hot remove failed for ${shown}: `;
      if (thrown.code === "not-found")
        return this.#session.refuse(1, `${failed}No such device or address`);
      if (thrown.code !== "busy") return this.#session.refuse(1, `${failed}${thrown.message}`);
      return this.#session.refuse(1, `${failed}Device or resource busy`);
    }
    this.#changed("removed", shown);
    this.#say(`hot removed ${shown} from ${this.#command.array}`);
    return 0;
  }

  async #isThere(): Promise<boolean> {
    try {
      await (await this.#session.host()).array(this.#array);
      return true;
    } catch (thrown) {
      if (thrown instanceof HoldfastError && thrown.code === "not-found") return false;
      throw thrown;
    }
  }

  #replace(device: ManagedDevice, at: number): Promise<number> {
    return this.#counted(replaceDevices(this.#session, this.#command, device, at));
  }

  #changed(what: string, device: string): void {
    this.#done += 1;
    this.#session.result({ [what]: device, array: this.#command.array });
  }

  /** What is done to a single member is told on standard error, as mdadm does. */
  #say(text: string): void {
    if (!this.#session.isQuiet) this.#session.warn(text);
  }
}

export function runManage(session: Session, command: ManageCommand): Promise<number> {
  return new Manager(session, command).run();
}
