/** The NBD server. */
import { ignore } from "../../base/nothing.ts";
import { Bio, BioFlags } from "../../block/bio.ts";
import type { BioOp } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import type { Connection } from "../../env/sockets.ts";
import type { Mutant } from "../mutant.ts";
import { standIn } from "../stand-in.ts";
import { rewritten, unflushed, withFlags } from "./devices.ts";

/** The connection whose bytes are being looked at. */
let current: Connection | null = null;
/** Connections that have written since they flushed. */
const dirty = new WeakSet<Connection>();

function noticed(connection: Connection): Connection {
  const during = (call: () => void): void => {
    current = connection;
    call();
    current = null;
  };
  return standIn(connection, {
    start: (handlers) =>
      connection.start({
        ...handlers,
        onData: (data) => during(() => handlers.onData(data)),
        onFilled: (bytes) => during(() => handlers.onFilled!(bytes)),
      }),
  });
}

function flushedForItself(array: BlockDevice): BlockDevice {
  return rewritten(array, (bio) => {
    if (current === null) return bio;
    if (bio.op !== "flush" && bio.op !== "read") dirty.add(current);
    if (bio.op !== "flush" || dirty.delete(current)) return bio;
    bio.end(null);
    return null;
  });
}

/** The oldest request of a kind is answered when any of them has ended. */
function endedInOrder(array: BlockDevice): BlockDevice {
  const underWay = new Map<BioOp, Bio[]>();
  return rewritten(array, (bio) => {
    const { op, sector, sectors, data, flags } = bio;
    const same = underWay.get(op) ?? [];
    underWay.set(op, same);
    same.push(bio);
    return new Bio(op, sector, sectors, data, flags, (error) => same.shift()!.end(error));
  });
}

function endedEarly(array: BlockDevice): BlockDevice {
  return rewritten(array, ({ op, sector, sectors, data, flags, end }) => {
    if (op !== "write" || (flags & BioFlags.fua) !== 0)
      return new Bio(op, sector, sectors, data, flags, end);
    queueMicrotask(() => end(null));
    return new Bio(op, sector, sectors, data, flags, ignore);
  });
}

export const NBD_MUTANTS: readonly Mutant[] = [
  {
    name: "nbd-flush-is-nothing",
    about: "the NBD server answers a flush, and does not flush the array",
    law: 8,
    origin: null,
    scenario: "nbd",
    served: unflushed,
  },
  {
    name: "nbd-fua-is-plain",
    about: "the NBD server takes a durable write for a plain one",
    law: 8,
    origin: null,
    scenario: "nbd",
    served: (array) => withFlags(array, (flags) => flags & ~BioFlags.fua),
  },
  {
    name: "nbd-flush-own-writes",
    about: "a flush on an NBD connection covers only what was written on the same one",
    law: 8,
    origin: null,
    scenario: "nbd",
    accepted: noticed,
    served: flushedForItself,
  },
  {
    name: "nbd-replies-mixed-up",
    about: "an NBD reply goes to the oldest request of its kind, whichever has ended",
    law: 8,
    origin: null,
    scenario: "nbd",
    served: endedInOrder,
  },
  {
    name: "nbd-answered-early",
    about:
      "the NBD server answers a write, and uses its buffer again, while the array works for it",
    law: 7,
    origin: null,
    scenario: "nbd",
    served: endedEarly,
  },
  {
    name: "nbd-stop-forgets",
    about: "the NBD server cuts its clients off when it is stopped, amid their requests",
    law: 7,
    origin: null,
    scenario: "nbd",
    nbdLimits: { stopTimeoutMs: 0 },
  },
];
