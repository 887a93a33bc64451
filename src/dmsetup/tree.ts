/** `dmsetup ls --tree`: what stands on what, from the top down or from the bottom up. */
import type { MappedView } from "../host/mapped/mapped-host.ts";

const SYMBOLS = {
  ascii: { vertical: "| ", branch: "|-", last: "`-", single: "---", first: "-+-" },
  utf: { vertical: "│ ", branch: "├─", last: "└─", single: "───", first: "─┬─" },
  vt100: {
    vertical: "\x1b(0\x0fx\x1b(B ",
    branch: "\x1b(0\x0ftq\x1b(B",
    last: "\x1b(0\x0fmq\x1b(B",
    single: "\x1b(0\x0fqqq\x1b(B",
    first: "\x1b(0\x0fqwq\x1b(B",
  },
} as const;

/** Of `single` as it is seen. */
const SINGLE_WIDTH = 3;

const SWITCHES = [
  "device",
  "nodevice",
  "blkdevname",
  "active",
  "open",
  "rw",
  "uuid",
  "compact",
  "inverted",
  "notrunc",
  "ascii",
  "utf",
  "vt100",
] as const;

export type TreeSwitch = (typeof SWITCHES)[number];

/** @returns the switches; a text that is none of them */
export function treeSwitches(options: string | null): ReadonlySet<TreeSwitch> | string {
  const switches = new Set<TreeSwitch>();
  for (const word of (options ?? "").split(",").filter(Boolean)) {
    const found = SWITCHES.find((each) => each === word);
    if (found === undefined) return word;
    switches.add(found);
  }
  return switches;
}

interface Node {
  readonly major: number;
  readonly minor: number;
  readonly blockName: string;
  /** Null: no mapped device. */
  readonly view: MappedView | null;
  readonly below: Node[];
  readonly above: Node[];
}

/** In the order in which they are met, from the first device on, depth first. */
function nodesOf(views: readonly MappedView[]): Node[] {
  const byNumber = new Map<string, Node>();
  const byName = new Map(views.map((view) => [view.name, view]));
  const add = (
    { major, minor, blockName }: Pick<Node, "major" | "minor" | "blockName">,
    view: MappedView | null,
  ): Node => {
    const key = `${major}:${minor}`;
    const known = byNumber.get(key);
    if (known !== undefined) return known;
    const node: Node = { major, minor, blockName, view, below: [], above: [] };
    byNumber.set(key, node);
    for (const dependency of view?.dependencies ?? []) {
      const { mapped } = dependency;
      const lower = add(dependency, mapped === null ? null : (byName.get(mapped) ?? null));
      node.below.push(lower);
      lower.above.push(node);
    }
    return node;
  };
  for (const view of views) add({ ...view, blockName: `dm-${view.minor}` }, view);
  return [...byNumber.values()];
}

/** Where nothing says how wide the terminal is. */
const WIDTH = 80;

export class TreeText {
  readonly #switches: ReadonlySet<TreeSwitch>;
  readonly #symbols: (typeof SYMBOLS)[keyof typeof SYMBOLS];
  readonly #lines: string[] = [];
  /** How far the text of each depth reaches, and whether more comes at that depth. */
  readonly #widths: number[] = [];
  readonly #more: boolean[] = [];
  #line = "";

  /** @param isUtf the terminal's, where nothing else was asked for */
  constructor(switches: ReadonlySet<TreeSwitch>) {
    this.#switches = switches;
    this.#symbols = switches.has("utf")
      ? SYMBOLS.utf
      : switches.has("vt100")
        ? SYMBOLS.vt100
        : SYMBOLS.ascii;
  }

  lines(views: readonly MappedView[]): readonly string[] {
    const nodes = nodesOf(views);
    const isInverted = this.#switches.has("inverted");
    const roots = nodes.filter(({ above, below }) => (isInverted ? below : above).length === 0);
    for (const root of roots.filter((node) => this.#isShown(node))) this.#add(root, 0, true);
    return this.#lines;
  }

  #isShown({ view }: Node): boolean {
    if (view !== null || this.#switches.has("blkdevname")) return true;
    return !this.#switches.has("nodevice");
  }

  #add(node: Node, depth: number, isFirst: boolean): void {
    const isCompact = this.#switches.has("compact");
    const text = this.#textOf(node);
    const isBehind = isCompact && isFirst && depth > 0;
    if (!isBehind) this.#line += this.#prefix(depth);
    this.#line += text;
    // The line between counts as a part of what stands behind it.
    this.#widths[depth] = isCompact ? text.length + (isBehind ? SINGLE_WIDTH : 0) : 0;
    const children = (this.#switches.has("inverted") ? node.above : node.below).filter((child) =>
      this.#isShown(child),
    );
    if (children.length === 0 || !isCompact) this.#end();
    for (const [at, child] of children.entries()) {
      this.#more[depth + 1] = at + 1 < children.length;
      if (isCompact && at === 0)
        this.#line += children.length > 1 ? this.#symbols.first : this.#symbols.single;
      this.#add(child, depth + 1, at === 0);
    }
  }

  #prefix(depth: number): string {
    let prefix = "";
    for (let at = 0; at < depth; at += 1) {
      const isOwn = at === depth - 1;
      const own = this.#more[depth] ? this.#symbols.branch : this.#symbols.last;
      const passing = this.#more[at + 1] ? this.#symbols.vertical : "  ";
      prefix += " ".repeat(this.#widths[at]! + 1) + (isOwn ? own : passing);
    }
    return prefix;
  }

  #textOf({ major, minor, blockName, view }: Node): string {
    const parts = [view?.name ?? ""];
    if (this.#switches.has("blkdevname")) parts.push(` <${blockName}>`);
    if (!this.#switches.has("nodevice")) parts.push(` (${major}:${minor})`);
    if (view !== null) parts.push(this.#attributes(view));
    return parts.join("");
  }

  #attributes({ isSuspended, isReadOnly, openCount, uuid }: MappedView): string {
    const shown = [
      this.#switches.has("active") ? (isSuspended ? "SUSPENDED" : "ACTIVE") : null,
      this.#switches.has("rw") ? (isReadOnly ? "RO" : "RW") : null,
      this.#switches.has("open") ? String(openCount) : null,
      this.#switches.has("uuid") ? uuid : null,
    ].filter((each) => each !== null);
    return shown.length === 0 ? "" : ` [${shown.join(", ")}]`;
  }

  #end(): void {
    const isLong = this.#line.length > WIDTH && !this.#switches.has("notrunc");
    this.#lines.push(isLong ? `${this.#line.slice(0, WIDTH - 1)}...` : this.#line);
    this.#line = "";
  }
}
