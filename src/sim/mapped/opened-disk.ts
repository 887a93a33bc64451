/**
 * A disk as the tables of a process have it open. It is wrong to close it amid requests (law 7), to ask it for anything after that, and to
 * change it while everything that stands on it is suspended.
 */
import type { Bio } from "../../block/bio.ts";
import { Bio as NewBio } from "../../block/bio.ts";
import type { DeadlineDevice } from "../../devices/deadline.ts";
import { DeviceOver } from "../../block/over.ts";
import { HoldfastError } from "../../base/errors.ts";

export class OpenedDisk extends DeviceOver {
  readonly #complain: (text: string) => void;
  readonly #guard: DeadlineDevice;
  #underWay = 0;
  #isClosed = false;
  /** The mapped device that is suspended and has it to itself. */
  suspended: string | null = null;
  /** It was unplugged since it was opened. */
  isLost = false;

  constructor(guard: DeadlineDevice, complain: (text: string) => void) {
    super(guard);
    this.#guard = guard;
    this.#complain = complain;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get isCutOff(): boolean {
    return this.isLost || this.#guard.givenUp !== null;
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** Resolves when the disk has answered all that it was asked. */
  whenQuiet(): Promise<void> {
    return this.#guard.whenQuiet();
  }

  submit(bio: Bio): void {
    const { op, sector, sectors, data, flags, end } = bio;
    if (this.#isClosed) this.#complain(`${this.name} is asked for a ${op} when it is closed`);
    if (this.suspended !== null && op !== "read")
      this.#complain(`${this.name} is asked for a ${op}, and ${this.suspended} is suspended`);
    if (this.isLost) {
      end(new HoldfastError("io", `${this.name} was unplugged`));
      return;
    }
    this.#underWay += 1;
    this.inner.submit(
      new NewBio(op, sector, sectors, data, flags, (error) => {
        this.#underWay -= 1;
        end(error);
      }),
    );
  }

  override close(): Promise<void> {
    if (this.#underWay > 0)
      this.#complain(`${this.name} is closed while ${this.#underWay} requests are under way`);
    this.#isClosed = true;
    return this.inner.close();
  }
}
