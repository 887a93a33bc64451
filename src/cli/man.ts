/**
 * The manual page holdfast(1), from the verbs' metas, in the language of man(7). `holdfast help --man` prints it, and
 * docs/man/holdfast.1 holds it.
 */
import { VERSION } from "../base/version.ts";
import type { CommandMeta, OptionSpec } from "./command.ts";
import { operandText, valueText } from "./parse.ts";

/** Text that troff prints as it is. */
function plain(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq");
  return escaped.startsWith(".") ? `\\&${escaped}` : escaped;
}

function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

function optionTerm(option: OptionSpec): string {
  const short = option.short === undefined ? "" : `${bold(`-${option.short}`)}, `;
  const value = valueText(option);
  return `${short}${bold(`--${option.long}`)}${value === "" ? "" : ` \\fI${plain(value.trim())}\\fR`}`;
}

function terms(entries: readonly { term: string; text: string }[]): string[] {
  return entries.flatMap(({ term, text }) => [".TP", term, `${plain(text)}.`]);
}

function verbLines(meta: CommandMeta): string[] {
  const operands = meta.arguments.map((argument) => `\\fI${plain(operandText(argument))}\\fR`);
  const options = meta.options.length === 0 ? [] : ["[\\fIOPTIONS\\fR]"];
  return [
    `.SS ${meta.name}`,
    [bold(`holdfast ${meta.name}`), ...options, ...operands].join(" "),
    ...meta.description.flatMap((paragraph) => [".PP", plain(paragraph)]),
    ...terms(meta.arguments.map(({ name, text }) => ({ term: `\\fI${plain(name)}\\fR`, text }))),
    ...terms(meta.options.map((option) => ({ term: optionTerm(option), text: option.text }))),
  ];
}

function exampleLines(meta: CommandMeta): string[] {
  return meta.examples.flatMap(({ command, text }) => [".TP", bold(command), plain(text)]);
}

const EXIT_CODES = [
  { term: bold("0"), text: "Done" },
  { term: bold("1"), text: "The operation failed, or was done in part: stderr says what and why" },
  { term: bold("2"), text: "The command line was not understood" },
];

const VARIABLES = [
  { term: bold("NO_COLOR"), text: "When set and not empty, nothing is coloured" },
  {
    term: `${bold("XDG_RUNTIME_DIR")}, ${bold("TMPDIR")}`,
    text: "Where the folder for the socket of open is made; /tmp when neither is set",
  },
  {
    term: bold("HOLDFAST_SOCKET"),
    text: "The control socket of the daemon, for the daemon itself and for the verbs that talk to it",
  },
  {
    term: `${bold("XDG_STATE_HOME")}, ${bold("HOME")}`,
    text: "Where the state folder of the daemon is, unless it runs as root",
  },
];

/** The page's lines. */
export function manualPage(metas: readonly CommandMeta[]): string[] {
  return [
    `.TH HOLDFAST 1 "" "holdfast ${plain(VERSION)}" "User Commands"`,
    ".SH NAME",
    "holdfast \\- Linux software RAID in user space",
    ".SH SYNOPSIS",
    `${bold("holdfast")} \\fIVERB\\fR [\\fIOPTIONS\\fR] ...`,
    ".SH DESCRIPTION",
    "Opens Linux software RAID (md, mdadm) from disks, partitions and image files without root or kernel modules,",
    "read\\-only, and serves it over NBD.",
    ".SH VERBS",
    ...metas.flatMap(verbLines),
    ".SH EXAMPLES",
    ...metas.flatMap(exampleLines),
    `.SH "EXIT STATUS"`,
    ...terms(EXIT_CODES),
    ".SH ENVIRONMENT",
    ...terms(VARIABLES),
    `.SH "SEE ALSO"`,
    "mdadm(8), md(4), nbd(5), nbdcopy(1), nbdinfo(1)",
  ];
}
