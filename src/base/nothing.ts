/** What stands where there is nothing yet: no bytes, and nobody to tell. One of each, so that pooled objects are made and emptied without allocating. */

export const NO_DATA = new Uint8Array(0);

export function ignore(): void {}
