/** What mutants put around disks. */
import { Bio } from "../../block/bio.ts";
import type { BioEnd } from "../../block/bio.ts";
import type { BlockDevice } from "../../block/device.ts";
import { standIn } from "../stand-in.ts";

/** Each bio in another form. */
export function rewritten(device: BlockDevice, rewrite: (bio: Bio) => Bio | null): BlockDevice {
  return standIn(device, {
    submit: (bio) => {
      const other = rewrite(bio);
      if (other !== null) device.submit(other);
    },
  });
}

export function withFlags(device: BlockDevice, change: (flags: number) => number): BlockDevice {
  return rewritten(
    device,
    ({ op, sector, sectors, data, flags, end }) =>
      new Bio(op, sector, sectors, data, change(flags), end),
  );
}

/** A flush is answered, and nothing is flushed; a durable write is an ordinary one. */
export function unflushed(device: BlockDevice): BlockDevice {
  return rewritten(device, ({ op, sector, sectors, data, end }) => {
    if (op !== "flush") return new Bio(op, sector, sectors, data, 0, end);
    end(null);
    return null;
  });
}

/** Reads that fail are answered with what is in the buffer; these of them. */
export function unread(
  device: BlockDevice,
  isConcerned: (sector: number, sectors: number) => boolean,
): BlockDevice {
  return rewritten(device, ({ op, sector, sectors, data, flags, end }) => {
    const ended: BioEnd = (error) =>
      end(op === "read" && isConcerned(sector, sectors) ? null : error);
    return new Bio(op, sector, sectors, data, flags, ended);
  });
}
