/** UUID text forms of 16 bytes. */

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** md's form: "a4c2b3d2:12f71508:a666e3a8:32770596". */
export function mdUuid(bytes: Uint8Array): string {
  return hexOf(bytes).replace(/(.{8})(?=.)/g, "$1:");
}

/** RFC 9562 form: "a4c2b3d2-12f7-1508-a666-e3a832770596". */
export function rfcUuid(bytes: Uint8Array): string {
  return hexOf(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** RFC 9562 form of a GUID stored as Microsoft and UEFI do: the first three groups are little endian. */
export function guidText(bytes: Uint8Array): string {
  const swapped = [3, 2, 1, 0, 5, 4, 7, 6].map((at) => bytes[at] ?? 0);
  return rfcUuid(Uint8Array.from([...swapped, ...bytes.subarray(8, 16)]));
}
