/** Colours, where they are wanted: on a terminal, unless NO_COLOR is set (no-color.org) or the terminal is a dumb one. */
import type { OutputStream, Terminal } from "./terminal.ts";

export type Tone = "plain" | "heading" | "good" | "warning" | "bad" | "dim";

const SGR: Readonly<Record<Tone, string>> = {
  plain: "",
  heading: "1",
  good: "32",
  warning: "33",
  bad: "31",
  dim: "2",
};

export type Paint = (text: string, tone: Tone) => string;

export const plainPaint: Paint = (text) => text;

const colourPaint: Paint = (text, tone) =>
  tone === "plain" || text === "" ? text : `\u001b[${SGR[tone]}m${text}\u001b[0m`;

export function paintFor(stream: OutputStream, terminal: Terminal): Paint {
  const noColour = terminal.variable("NO_COLOR") ?? "";
  const wanted = stream.isTTY && noColour === "" && terminal.variable("TERM") !== "dumb";
  return wanted ? colourPaint : plainPaint;
}
