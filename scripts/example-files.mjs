/**
 * What lies in the example file systems: a few files that are nice to find again, all made by code. The same on every run.
 */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32, deflateSync } from "node:zlib";

/** @typedef {Readonly<Record<string, string | Uint8Array | { readonly linkTo: string }>>} Tree Path -> content. */

/** @type {Tree} */
export const NAS_FILES = {
  "README.txt": [
    "This disk set is an example of Holdfast.",
    "",
    "If you can read this, four disk images were put together as a RAID5 and an",
    "ext4 file system was found on it: without root, and without writing a byte.",
    "",
    "photos/   pictures (they are real PNG files: copy one out and look at it)",
    "letters/  a folder tree",
    "music/    one scale",
    "",
  ].join("\n"),
  "photos/lake.png": picture(480, 320, lake),
  "photos/dunes.png": picture(480, 320, dunes),
  "music/scale.wav": scale(),
  "letters/2019/spring/to-ada.txt": "Dear Ada,\n\nthe disks are humming again.\n\nYours, Grace\n",
  "letters/2019/autumn/to-grace.txt":
    "Dear Grace,\n\nkeep a copy somewhere else too.\n\nYours, Ada\n",
  "letters/2024/Grüße aus Zürich.txt": "Ein Dateiname mit Umlauten.\n",
  "letters/2024/empty.txt": "",
  "letters/latest": { linkTo: "2024" },
};

/** @type {Tree} */
export const ARCHIVE_FILES = {
  "README.txt": [
    "Two of the six disks of this RAID6 are gone. What you read here was computed",
    "from the four that are left.",
    "",
    "before-the-failure.txt was written while all six were there,",
    "after-the-failure.txt when only four were.",
    "",
  ].join("\n"),
  "before-the-failure.txt": numberedLines("written on six disks", 4000),
  "pictures/lake.png": picture(480, 320, lake),
};

/** @type {Tree} */
export const ARCHIVE_FILES_LATER = {
  "after-the-failure.txt": numberedLines("written on four disks", 4000),
};

/**
 * @param {string} folder
 * @param {Tree} tree
 */
export function writeTree(folder, tree) {
  for (const [path, content] of Object.entries(tree)) {
    const to = join(folder, path);
    mkdirSync(dirname(to), { recursive: true });
    if (typeof content === "string" || content instanceof Uint8Array) writeFileSync(to, content);
    else symlinkSync(content.linkTo, to);
  }
}

/**
 * @param {string} text
 * @param {number} count
 */
function numberedLines(text, count) {
  return Array.from({ length: count }, (_, line) => `line ${line + 1}, ${text}\n`).join("");
}

/**
 * A PNG file (ISO/IEC 15948): 8-bit RGB, no filter.
 * @param {number} width
 * @param {number} height
 * @param {(x: number, y: number) => readonly [number, number, number]} colour Of a point, x and y from 0 to 1; 0 to 255 each.
 */
function picture(width, height, colour) {
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const point = colour(x / width, y / height);
      rows.set(withGrain(point, y * width + x), y * (1 + 3 * width) + 1 + 3 * x);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(rows)),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/**
 * Like a photograph: no two neighbours are quite alike, so that the file takes some room.
 * @param {readonly [number, number, number]} point
 * @param {number} index
 */
function withGrain(point, index) {
  const hash = Math.imul(index ^ (index >>> 7), 0x9e3779b1) >>> 29;
  return point.map((value) => Math.max(0, Math.min(255, value + hash - 4)));
}

/**
 * @param {string} type
 * @param {Uint8Array} data
 */
function pngChunk(type, data) {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, "latin1");
  chunk.set(data, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

/**
 * @param {number} x
 * @param {number} y
 * @returns {[number, number, number]}
 */
function lake(x, y) {
  const ridge = 0.42 + 0.06 * Math.sin(9 * x) + 0.03 * Math.sin(31 * x);
  const isWater = y > 0.6;
  const height = isWater ? 1.2 - y + 0.008 * Math.sin(220 * y) : y;
  const light = isWater ? 0.8 : 1;
  if (height > ridge) return tint(50, 70 + 60 * height, 60, light);
  return tint(250 - 120 * height, 150 + 120 * height, 120 + 250 * height, light);
}

/**
 * @param {number} x
 * @param {number} y
 * @returns {[number, number, number]}
 */
function dunes(x, y) {
  const crest = 0.5 + 0.12 * Math.sin(5 * x + 1) + 0.05 * Math.sin(13 * x);
  if (y < crest) return tint(120 + 100 * y, 170 + 60 * y, 230, 1);
  const ripple = 1 + 0.06 * Math.sin(160 * (y - crest) + 12 * x);
  return tint(230 - 90 * (y - crest), 180 - 80 * (y - crest), 110, ripple);
}

/**
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 * @param {number} light
 * @returns {[number, number, number]}
 */
function tint(red, green, blue, light) {
  const bounded = (/** @type {number} */ value) =>
    Math.max(0, Math.min(255, Math.round(value * light)));
  return [bounded(red), bounded(green), bounded(blue)];
}

/** A WAV file: a C major scale, 8-bit mono at 8 kHz. */
function scale() {
  const rate = 8000;
  const noteLength = rate / 4;
  const semitones = [0, 2, 4, 5, 7, 9, 11, 12];
  const samples = Buffer.alloc(noteLength * semitones.length);
  for (let i = 0; i < samples.length; i += 1) {
    const semitone = semitones[Math.floor(i / noteLength)] ?? 0;
    const hertz = 261.63 * 2 ** (semitone / 12);
    samples[i] = Math.round(128 + 90 * Math.sin((2 * Math.PI * hertz * i) / rate));
  }
  const header = Buffer.alloc(44);
  header.write("RIFF", 0, "latin1");
  header.writeUInt32LE(36 + samples.length, 4);
  header.write("WAVEfmt ", 8, "latin1");
  header.writeUInt32LE(16, 16);
  header.set([1, 0, 1, 0], 20);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate, 28);
  header.set([1, 0, 8, 0], 32);
  header.write("data", 36, "latin1");
  header.writeUInt32LE(samples.length, 40);
  return Buffer.concat([header, samples]);
}
