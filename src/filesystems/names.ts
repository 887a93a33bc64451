/**
 * File names are bytes; most are UTF-8, some are not. As text, a byte that is no UTF-8 becomes a lone surrogate
 * U+DC80..U+DCFF (as in Python's "surrogateescape"), so every name goes to text and back without loss.
 */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Length of the UTF-8 sequence that starts at `at`; 0 if none does. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > bytes.length) return 0;
  try {
    decoder.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}

export function nameToText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    let text = "";
    for (let at = 0; at < bytes.length;) {
      const length = sequenceLength(bytes, at);
      text +=
        length === 0
          ? String.fromCharCode(0xdc00 + bytes[at]!)
          : decoder.decode(bytes.subarray(at, at + length));
      at += Math.max(1, length);
    }
    return text;
  }
}

export function textToName(text: string): Uint8Array {
  const parts: number[] = [];
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (character.length === 1 && code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
    else parts.push(...encoder.encode(character));
  }
  return Uint8Array.from(parts);
}
