/**
 * A personality reads one shape of array: it cuts the volume into pieces, each on one place of the geometry, and reads a
 * piece by whatever way is left. Sectors are volume sectors.
 */
import type { BioEnd } from "../../block/bio.ts";
import type { ExtentKind } from "../../block/device.ts";

export interface PieceExtent {
  readonly kind: ExtentKind;
  readonly sectors: number;
}

export interface Personality {
  /** Sectors from `sector` to the end of the piece it lies in; a piece never crosses a chunk. */
  pieceSectors(sector: number): number;
  /**
   * How many of the `max` sectors from `sector` on one `readPiece` is to fill, where reading several pieces together is cheaper than one by
   * one. Without it: to the end of the piece.
   */
  readSectors?(sector: number, max: number): number;
  /**
   * Fills `data`, which lies inside one piece or is as long as `readSectors` said. Whatever redundancy there is has been used before `end` gets an error,
   * and then some sector of the range is really gone.
   */
  readPiece(sector: number, data: Uint8Array, end: BioEnd): void;
  /** What is known without reading of the run at `sector`, at most `max` (inside one piece) long. */
  pieceExtent(sector: number, max: number): PieceExtent;
  /** The same of several pieces, at most `max` sectors, that are known to be alike; null where they must be asked for one by one. */
  piecesExtent?(sector: number, max: number): PieceExtent | null;
}
