/**
 * Where things lie in the first 64 KiB of the memory, which the arena keeps free of buffers. Nothing of it survives a call
 * but the CRC tables, so any number of instances may share a memory as long as they run in one thread.
 */

/** Addresses of the source blocks of a call, u32 each. */
export const SOURCES: usize = 0x100;
export const MAX_SOURCES: i32 = 64;
/** For each source of a P+Q call: how often more than once Q is doubled before it is added, u32 each. */
export const MORE_DOUBLINGS: usize = 0x200;
/** For up to two factors: the products of the 16 low nibbles, then of the 16 high nibbles. */
export const PRODUCTS: usize = 0x300;
/** Two u32: see `compare`. */
export const DIFFERENCE: usize = 0x380;
/** Addresses of up to eight blocks that are summed at once, u32 each. */
export const GROUP: usize = 0x3c0;
export const CRC_TABLES: usize = 0x4000;
/** Room for a piece of a computed P and Q, to compare the stored ones with. */
export const PIECE_P: usize = 0x8000;
export const PIECE_Q: usize = 0xc000;
export const PIECE_BYTES: i32 = 0x4000;
