/**
 * mdadm.conf: words, lines and what they say. A line that cannot be understood becomes a message and is left out, as
 * mdadm does it: a configuration never stops an array from being looked for. Facts: mdadm.conf(5).
 */
import { parseMetadata, parseUuid } from "./values.ts";
import type { MetadataChoice } from "./command.ts";

export interface ArrayLine {
  /** Null when the line names none; "<ignore>": never to be assembled. */
  readonly device: string | null;
  readonly uuid: string | null;
  readonly superMinor: number | null;
  /** Patterns of member paths. */
  readonly devices: readonly string[] | null;
  readonly name: string | null;
  readonly level: string | null;
  readonly raidDisks: number | null;
  readonly spareDisks: number | null;
  readonly spareGroup: string | null;
  readonly bitmapFile: string | null;
  readonly metadata: MetadataChoice | null;
  readonly member: string | null;
  readonly container: string | null;
}

export interface Config {
  /** Patterns, "partitions", "containers". Without a DEVICE line the last two. */
  readonly devices: readonly string[];
  readonly arrays: readonly ArrayLine[];
  readonly mailAddress: string | null;
  readonly mailFrom: string | null;
  readonly program: string | null;
  readonly monitorDelaySeconds: number | null;
  /** A name, "<system>", "<none>" or "<ignore>". */
  readonly homehost: string | null;
  readonly homeCluster: string | null;
  readonly create: CreateLine;
  /** Words of AUTO: the first that fits decides. */
  readonly auto: readonly string[];
  /** POLICY and PART-POLICY lines: word -> value. */
  readonly policies: readonly ReadonlyMap<string, string>[];
  /** SYSFS lines. */
  readonly sysfs: readonly ReadonlyMap<string, string>[];
  readonly messages: readonly string[];
}

export interface CreateLine {
  readonly metadata: MetadataChoice | null;
  readonly owner: string | null;
  readonly group: string | null;
  readonly mode: number | null;
  readonly names: boolean | null;
  readonly badBlockLog: boolean | null;
}

const KEYWORDS = [
  "devices",
  "array",
  "mailaddr",
  "mailfrom",
  "program",
  "create",
  "homehost",
  "homecluster",
  "auto",
  "policy",
  "part-policy",
  "sysfs",
  "monitordelay",
  "encryption_no_verify",
  "probing",
  "imsm_disable_orom",
] as const;
type Keyword = (typeof KEYWORDS)[number];

const SHORTEST_KEYWORD = 3;

/** Any case, and any beginning of three letters or more: the first keyword in order that fits. */
function keywordOf(word: string): Keyword | null {
  const small = word.toLowerCase();
  if (small.length < SHORTEST_KEYWORD) return null;
  return KEYWORDS.find((keyword) => keyword.startsWith(small)) ?? null;
}

/** The words of a line: quotes group and vanish, # at the start of a word begins a comment. */
function wordsOf(line: string): string[] {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (line[at] === " " || line[at] === "\t") at += 1;
    if (at >= line.length || line[at] === "#") return words;
    let word = "";
    let quote = "";
    for (; at < line.length; at += 1) {
      const letter = line[at]!;
      if (letter === quote) quote = "";
      else if (quote === "" && (letter === '"' || letter === "'")) quote = letter;
      else if (quote === "" && (letter === " " || letter === "\t")) break;
      else word += letter;
    }
    words.push(word);
  }
}

/** Lines with those that continue them: a line that begins with a blank goes on with the one before. */
export function configLines(text: string): string[][] {
  const lines: string[][] = [];
  for (const line of text.split("\n")) {
    const words = wordsOf(line);
    if (words.length === 0) continue;
    const last = lines.at(-1);
    if (/^[ \t]/.test(line) && last !== undefined) last.push(...words);
    else lines.push(words);
  }
  return lines;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class Reader {
  readonly devices: string[] = [];
  readonly arrays: ArrayLine[] = [];
  readonly messages: string[] = [];
  readonly policies: ReadonlyMap<string, string>[] = [];
  readonly sysfs: ReadonlyMap<string, string>[] = [];
  readonly auto: string[] = [];
  readonly create: Mutable<CreateLine> = {
    metadata: null,
    owner: null,
    group: null,
    mode: null,
    names: null,
    badBlockLog: null,
  };
  mailAddress: string | null = null;
  mailFrom: string | null = null;
  program: string | null = null;
  monitorDelaySeconds: number | null = null;
  homehost: string | null = null;
  homeCluster: string | null = null;

  line([keyword = "", ...words]: readonly string[]): void {
    switch (keywordOf(keyword)) {
      case "devices":
        this.devices.push(...words);
        return;
      case "array":
        this.#array(words);
        return;
      case "mailaddr":
        this.mailAddress ??= words[0] ?? null;
        return;
      case "mailfrom":
        this.mailFrom ??= words.join(" ");
        return;
      case "program":
        this.program ??= words[0] ?? null;
        return;
      case "create":
        for (const word of words) this.#create(word);
        return;
      case "homehost":
        this.homehost ??= words[0] ?? null;
        return;
      case "homecluster":
        this.homeCluster ??= words[0] ?? null;
        return;
      case "auto":
        if (this.auto.length === 0) this.auto.push(...words);
        else this.messages.push("AUTO line may only be given once.");
        return;
      case "policy":
      case "part-policy":
        this.policies.push(pairsOf(words));
        return;
      case "sysfs":
        this.sysfs.push(pairsOf(words));
        return;
      case "monitordelay":
        this.monitorDelaySeconds ??= Number.parseInt(words[0] ?? "", 10) || null;
        return;
      case "encryption_no_verify":
      case "probing":
      case "imsm_disable_orom":
        return;
      case null:
        this.messages.push(`Unknown keyword ${keyword}`);
    }
  }

  #create(word: string): void {
    const [key, value] = splitWord(word);
    const isYes = value.toLowerCase() === "yes";
    if (key === "owner") this.create.owner = value;
    else if (key === "group") this.create.group = value;
    else if (key === "mode") this.create.mode = Number.parseInt(value, 8);
    else if (key === "metadata") this.create.metadata = parseMetadata(value);
    else if (key === "names") this.create.names = isYes;
    else if (key === "bbl") this.create.badBlockLog = isYes;
    else if (key !== "auto") this.messages.push(`unrecognised word on CREATE line: ${word}`);
  }

  #array(words: readonly string[]): void {
    const line: Mutable<ArrayLine> = {
      device: null,
      uuid: null,
      superMinor: null,
      devices: null,
      name: null,
      level: null,
      raidDisks: null,
      spareDisks: null,
      spareGroup: null,
      bitmapFile: null,
      metadata: null,
      member: null,
      container: null,
    };
    for (const word of words) this.#arrayWord(line, word);
    const { uuid, superMinor, devices, name, container, member } = line;
    const isIdentified = [uuid, superMinor, devices, name, member ?? container].some(
      (each) => each !== null,
    );
    if (isIdentified || line.device === "<ignore>") this.arrays.push(line);
    else this.messages.push(`ARRAY line ${line.device ?? ""} has no identity information.`);
  }

  #arrayWord(line: Mutable<ArrayLine>, word: string): void {
    if (word.startsWith("/") || !word.includes("=")) {
      if (line.device === null) line.device = word;
      else this.messages.push(`only one device name may be on an ARRAY line: ${word} is left out`);
      return;
    }
    const [key, value] = splitWord(word);
    const set = ARRAY_WORDS.get(key);
    if (set === undefined) {
      this.messages.push(`unrecognised word on ARRAY line: ${word}`);
      return;
    }
    const problem = set(line, value);
    if (problem !== null) this.messages.push(`${problem}: ${word}`);
  }
}

type SetWord = (line: Mutable<ArrayLine>, value: string) => string | null;

/** The first one counts. */
function keyed<K extends keyof ArrayLine>(
  field: K,
  parse: (value: string) => ArrayLine[K] | null,
): SetWord {
  return (line, value) => {
    if (line[field] !== null) return "only the first one on a line counts";
    const parsed = parse(value);
    if (parsed === null) return "invalid value on an ARRAY line";
    line[field] = parsed;
    return null;
  };
}

const text = (value: string): string => value;
const count = (value: string): number | null => (/^\d+$/.test(value) ? Number(value) : null);

const ARRAY_WORDS: ReadonlyMap<string, SetWord> = new Map([
  ["uuid", keyed("uuid", parseUuid)],
  ["super-minor", keyed("superMinor", count)],
  ["devices", keyed("devices", (value) => value.split(",").filter(Boolean))],
  ["name", keyed("name", text)],
  ["level", keyed("level", text)],
  ["disks", keyed("raidDisks", count)],
  ["num-devices", keyed("raidDisks", count)],
  ["spares", keyed("spareDisks", count)],
  ["spare-group", keyed("spareGroup", text)],
  ["bitmap", keyed("bitmapFile", text)],
  ["metadata", keyed("metadata", parseMetadata)],
  ["member", keyed("member", text)],
  ["container", keyed("container", text)],
  // Once said how to make the device's node.
  ["auto", (): null => null],
]);

/** "Key=value" with the key in small letters. */
function splitWord(whole: string): [string, string] {
  const equals = whole.indexOf("=");
  if (equals < 0) return [whole.toLowerCase(), ""];
  return [whole.slice(0, equals).toLowerCase(), whole.slice(equals + 1)];
}

function pairsOf(words: readonly string[]): ReadonlyMap<string, string> {
  return new Map(words.map(splitWord));
}

/** @param texts the files in the order in which they are read */
export function parseConfig(...texts: readonly string[]): Config {
  const reader = new Reader();
  for (const each of texts) for (const line of configLines(each)) reader.line(line);
  return {
    devices: reader.devices.length === 0 ? ["partitions", "containers"] : reader.devices,
    arrays: reader.arrays,
    mailAddress: reader.mailAddress,
    mailFrom: reader.mailFrom,
    program: reader.program,
    monitorDelaySeconds: reader.monitorDelaySeconds,
    homehost: reader.homehost,
    homeCluster: reader.homeCluster,
    create: reader.create,
    auto: reader.auto,
    policies: reader.policies,
    sysfs: reader.sysfs,
    messages: reader.messages,
  };
}
