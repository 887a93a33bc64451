/** JSON as the API speaks it: bytes are {"base64": "..."}, and what is undefined is null. */

export function toJson(value: unknown): string {
  return JSON.stringify(
    value ?? null,
    function (this: Readonly<Record<string, unknown>>, key, part) {
      // A Buffer has turned itself into something else already.
      const given = this[key];
      return given instanceof Uint8Array ? { base64: Buffer.from(given).toString("base64") } : part;
    },
  );
}

/** @throws SyntaxError */
export function fromJson(text: string): unknown {
  return JSON.parse(text, (_key, part: unknown) => bytesOf(part) ?? part);
}

function bytesOf(part: unknown): Uint8Array | null {
  if (typeof part !== "object" || part === null || Array.isArray(part)) return null;
  const entries = Object.entries(part);
  const [key, text] = entries[0] ?? [];
  if (entries.length !== 1 || key !== "base64" || typeof text !== "string") return null;
  return new Uint8Array(Buffer.from(text, "base64"));
}
