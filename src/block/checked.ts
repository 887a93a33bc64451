/**
 * checked(): a wrapper that holds both sides of a BlockDevice to the contract (device.ts), for tests and fuzzing.
 * Whoever breaks it gets an assertion at the place where it happened:
 * - the submitter: a bio outside the device, data of another length, flags that mean nothing for the op, use after close, a bio
 *   that is changed or used again while it is in flight;
 * - the device: `end` called twice, a bio looked at after its end (it may be another request by then), success for a change on a read-only device or for an op it says it lacks, a bio still in
 *   flight when `close` resolves, extents with gaps, overlaps, equal neighbours, or outside the range.
 */
import { assert } from "../base/assert.ts";
import type { HoldfastError } from "../base/errors.ts";
import { SECTOR_BYTES } from "../base/units.ts";
import { aim, BioFlags, ownBio } from "./bio.ts";
import type { Bio } from "./bio.ts";
import type { BlockDevice, Extent } from "./device.ts";
import { DeviceOver } from "./over.ts";

function checkBio(device: BlockDevice, bio: Bio): void {
  const what = `${bio.op} of ${bio.sectors} sectors at ${bio.sector} on ${device.name}`;
  assert(Number.isSafeInteger(bio.sector) && bio.sector >= 0, `${what}: the start is a sector`);
  assert(Number.isSafeInteger(bio.sectors) && bio.sectors >= 0, `${what}: the length is sectors`);
  assert(bio.sector + bio.sectors <= device.sectors, `${what}: ends inside the device`);
  assert((bio.op === "flush") === (bio.sectors === 0), `${what}: only a flush is empty`);
  const carriesData = bio.op === "read" || bio.op === "write";
  const dataBytes = carriesData ? bio.sectors * SECTOR_BYTES : 0;
  let bytes = bio.data.length;
  for (const part of bio.parts) bytes += part.length;
  assert(bytes === dataBytes, `${what}: has ${bytes} bytes of data`);
  const durable = BioFlags.fua | BioFlags.preflush;
  const legal =
    bio.op === "write" ? durable : bio.op === "write-zeroes" ? durable | BioFlags.noUnmap : 0;
  assert((bio.flags & ~legal) === 0, `${what}: flags ${bio.flags} are not for this op`);
}

function mayNotSucceed(device: BlockDevice, bio: Bio): boolean {
  if (bio.op === "read" || bio.op === "flush") return false;
  if (device.limits.readOnly) return true;
  if (bio.op === "discard") return !device.limits.discard;
  return bio.op === "write-zeroes" && !device.limits.writeZeroes;
}

function checkExtents(
  device: BlockDevice,
  sector: number,
  sectors: number,
  maxExtents: number,
  runs: readonly Extent[],
): void {
  const what = `extents of ${device.name} from ${sector}, ${sectors} sectors`;
  assert(runs.length > 0 && runs.length <= maxExtents, `${what}: ${runs.length} runs`);
  let end = sector;
  let previous: Extent["kind"] | null = null;
  for (const run of runs) {
    assert(run.sector === end && run.sectors > 0, `${what}: a gap or overlap at ${end}`);
    assert(run.kind !== previous, `${what}: equal neighbours at ${end}`);
    end = run.sector + run.sectors;
    previous = run.kind;
  }
  assert(end <= sector + sectors, `${what}: ends behind the range`);
}

function differs(bio: Bio, was: Bio): boolean {
  return (
    bio.op !== was.op ||
    bio.sector !== was.sector ||
    bio.sectors !== was.sectors ||
    bio.data !== was.data ||
    bio.parts !== was.parts ||
    bio.flags !== was.flags
  );
}

/** One bio on its way: what the device gets in its place, and what is checked when it ends. */
class CheckedBio {
  readonly guarded: Bio;
  readonly #device: BlockDevice;
  readonly #bio: Bio;
  /** As it was submitted. */
  readonly #was: Bio;
  readonly #onEnd: () => void;
  #hasEnded = false;

  constructor(device: BlockDevice, bio: Bio, onEnd: () => void) {
    this.#device = device;
    this.#bio = bio;
    this.#onEnd = onEnd;
    const { op, sector, sectors, data, flags } = bio;
    const copy = ownBio((error) => this.#end(error));
    copy.parts = bio.parts;
    this.#was = aim(copy, op, sector, sectors, data, flags);
    this.guarded = new Proxy(this.#was, {
      get: (was, field) => {
        // `end` itself tells better what is wrong when it is called twice.
        const isAllowed = !this.#hasEnded || field === "end";
        assert(isAllowed, `${device.name} does not look at a ${op} that it has ended`);
        return Reflect.get(was, field) as unknown;
      },
    });
  }

  #end(error: HoldfastError | null): void {
    const { op } = this.#was;
    const { name } = this.#device;
    assert(!this.#hasEnded, `${name} ends a ${op} once`);
    assert(!differs(this.#bio, this.#was), `a ${op} of ${name} is left alone until it ends`);
    assert(
      error !== null || !mayNotSucceed(this.#device, this.#was),
      `${name} refuses a ${op} that its limits forbid`,
    );
    this.#hasEnded = true;
    this.#onEnd();
    this.#bio.end(error);
  }
}

class CheckedDevice extends DeviceOver {
  #inFlight = 0;
  #isClosing = false;
  #isClosed = false;
  readonly submitParts?: (bio: Bio) => void;

  constructor(inner: BlockDevice) {
    super(inner);
    if (inner.submitParts !== undefined)
      this.submitParts = (bio) => {
        assert(bio.op === "write" && bio.flags === BioFlags.none, "parts are of plain writes");
        inner.submitParts!(this.#guarded(bio));
      };
  }

  submit(bio: Bio): void {
    assert(bio.parts.length === 0, `${this.name} is given parts where it expects them`);
    this.inner.submit(this.#guarded(bio));
  }

  #guarded(bio: Bio): Bio {
    assert(!this.#isClosing, `nothing is submitted to ${this.name} after close`);
    checkBio(this.inner, bio);
    this.#inFlight += 1;
    const onEnd = (): void => {
      assert(!this.#isClosed, `${this.name} ends everything before close resolves`);
      this.#inFlight -= 1;
    };
    return new CheckedBio(this.inner, bio, onEnd).guarded;
  }

  override extents(sector: number, sectors: number, maxExtents: number): Extent[] {
    assert(!this.#isClosing, `nothing is asked of ${this.name} after close`);
    assert(sector >= 0 && sectors > 0 && sector + sectors <= this.sectors, "extents inside");
    assert(maxExtents >= 1, "at least one extent is asked for");
    const runs = this.inner.extents(sector, sectors, maxExtents);
    checkExtents(this.inner, sector, sectors, maxExtents, runs);
    return runs;
  }

  override async close(): Promise<void> {
    this.#isClosing = true;
    await this.inner.close();
    assert(this.#inFlight === 0, `${this.name} waits for ${this.#inFlight} bios before it closes`);
    this.#isClosed = true;
  }
}

/** Closing it closes `inner`. */
export function checked(inner: BlockDevice): BlockDevice {
  return new CheckedDevice(inner);
}
