/**
 * The XML of thin_dump and thin_restore: one element a line, attributes in this order, two blanks deeper for what is inside. What is read may be laid
 * out otherwise.
 */
import { HoldfastError } from "../../base/errors.ts";
import type { DeviceFacts, MappingFacts, PoolFacts, PoolVisitor } from "./visitor.ts";

/** Writes what it is told, line by line. */
export class XmlWriter implements PoolVisitor {
  readonly #line: (text: string) => Promise<void>;

  constructor(line: (text: string) => Promise<void>) {
    this.#line = line;
  }

  pool(facts: PoolFacts): Promise<void> {
    return this.#line(
      `<superblock uuid="${facts.uuid}" time="${facts.time}" transaction="${facts.transactionId}" flags="${facts.flags}" version="${facts.version}" data_block_size="${facts.dataBlockSectors}" nr_data_blocks="${facts.dataBlocks}">`,
    );
  }

  device(facts: DeviceFacts): Promise<void> {
    return this.#line(
      `  <device dev_id="${facts.id}" mapped_blocks="${facts.mappedBlocks}" transaction="${facts.transactionId}" creation_time="${facts.creationTime}" snap_time="${facts.snapshottedTime}">`,
    );
  }

  mapping({ origin, data, length, time }: MappingFacts): Promise<void> {
    return this.#line(
      length === 1
        ? `    <single_mapping origin_block="${origin}" data_block="${data}" time="${time}"/>`
        : `    <range_mapping origin_begin="${origin}" data_begin="${data}" length="${length}" time="${time}"/>`,
    );
  }

  deviceEnd(): Promise<void> {
    return this.#line("  </device>");
  }

  poolEnd(): Promise<void> {
    return this.#line("</superblock>");
  }
}

interface Element {
  readonly name: string;
  /** "</device>" */
  readonly isEnd: boolean;
  readonly attributes: ReadonlyMap<string, string>;
}

const COMMENT = /<!--[\s\S]*?-->|<\?[\s\S]*?\?>/g;
const ELEMENT = /\s*<(\/?)([a-z_]+)((?:\s+[a-z_]+="[^"<]*")*)\s*(\/?)>\s*/y;
const ATTRIBUTE = /([a-z_]+)="([^"]*)"/g;

function* elementsOf(text: string): Generator<Element> {
  const bare = text.replaceAll(COMMENT, "");
  ELEMENT.lastIndex = 0;
  for (let at = 0; at < bare.length; at = ELEMENT.lastIndex) {
    ELEMENT.lastIndex = at;
    const found = ELEMENT.exec(bare);
    if (found === null)
      throw bad(`there is no element at "${bare.slice(at, at + 40).split("\n", 1)[0]}"`);
    const [, slash, name = "", attributes = "", selfClosing] = found;
    const end = ELEMENT.lastIndex;
    const values = new Map(
      [...attributes.matchAll(ATTRIBUTE)].map(([, key = "", value = ""]) => [key, value]),
    );
    yield { name, isEnd: slash === "/", attributes: values };
    if (selfClosing === "/") yield { name, isEnd: true, attributes: new Map() };
    ELEMENT.lastIndex = end;
  }
}

function bad(what: string): HoldfastError {
  return new HoldfastError("usage", `The XML is not that of thin metadata: ${what}.`);
}

function number({ name, attributes }: Element, attribute: string, otherwise?: number): number {
  const text = attributes.get(attribute);
  if (text === undefined && otherwise !== undefined) return otherwise;
  if (text === undefined || !/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw bad(`<${name}> has ${attribute}="${text ?? ""}", and a number was expected`);
  return Number(text);
}

/** Tells what a text says. @throws `usage` saying what is wrong with it */
export async function readXml(text: string, visitor: PoolVisitor): Promise<void> {
  const open: string[] = [];
  for (const element of elementsOf(text)) {
    const { name, isEnd } = element;
    if (isEnd) {
      if (open.pop() !== name) throw bad(`</${name}> ends nothing`);
      if (name === "device") await visitor.deviceEnd();
      if (name === "superblock") await visitor.poolEnd();
      continue;
    }
    await begin(element, open.at(-1) ?? "", visitor);
    open.push(name);
  }
  if (open.length > 0) throw bad(`<${open.at(-1)}> does not end`);
}

async function begin(element: Element, inside: string, visitor: PoolVisitor): Promise<void> {
  switch (`${inside}/${element.name}`) {
    case "/superblock":
      await visitor.pool({
        uuid: element.attributes.get("uuid") ?? "",
        time: number(element, "time"),
        transactionId: number(element, "transaction"),
        flags: number(element, "flags", 0),
        version: number(element, "version", 2),
        dataBlockSectors: number(element, "data_block_size"),
        dataBlocks: number(element, "nr_data_blocks"),
      });
      return;
    case "superblock/device":
      await visitor.device({
        id: number(element, "dev_id"),
        mappedBlocks: number(element, "mapped_blocks"),
        transactionId: number(element, "transaction"),
        creationTime: number(element, "creation_time"),
        snapshottedTime: number(element, "snap_time"),
      });
      return;
    case "device/single_mapping":
      await visitor.mapping({
        origin: number(element, "origin_block"),
        data: number(element, "data_block"),
        length: 1,
        time: number(element, "time"),
      });
      return;
    case "device/range_mapping":
      await visitor.mapping({
        origin: number(element, "origin_begin"),
        data: number(element, "data_begin"),
        length: number(element, "length"),
        time: number(element, "time"),
      });
      return;
    default:
      throw bad(`<${element.name}> does not belong into <${inside}>`);
  }
}
