/** `holdfast sim`: runs arrays in a simulated world, whose disks fail and whose power is cut, and judges what is left of their contents. */
import type { Command, OptionSpec } from "../command.ts";
import { JSON_OUTPUT } from "./options.ts";

const OPTIONS: readonly OptionSpec[] = [
  {
    long: "scenario",
    value: { name: "S", completes: "nothing" },
    text: "the kind of story; without it all of them, one seed of each after the other",
  },
  {
    long: "mutant",
    value: { name: "M", completes: "nothing" },
    text: "run an array with one law broken on purpose, in the scenario that must find it",
  },
  {
    long: "seed",
    value: { name: "N", completes: "nothing" },
    text: "the first seed, 1 if not given; with it, and neither --runs nor --minutes, it is the only one",
  },
  {
    long: "runs",
    value: { name: "K", completes: "nothing" },
    text: "play K seeds of each scenario; 100 if nothing else is said",
  },
  {
    long: "minutes",
    value: { name: "M", completes: "nothing" },
    text: "begin runs for so long",
  },
  {
    long: "explore",
    value: { name: "D", completes: "nothing" },
    conflicts: ["scenario", "runs", "log", "replay", "list"],
    text: "no stories by chance, but all of up to D operations (at most 4) on small arrays, with the power cut after every event",
  },
  {
    long: "shard",
    value: { name: "K/N", completes: "nothing" },
    text: "with --explore: only the Kth of N shares, for programs that run side by side",
  },
  {
    long: "images",
    value: { name: "DIR", completes: "files" },
    conflicts: ["minutes", "log", "replay", "list", "explore", "keep-going"],
    text: "write what power cuts leave on the disks into the new folder DIR, an image for each member and crashes.json; of --runs power cuts, 24 if not given",
  },
  {
    long: "kernel",
    text: "with --images: have the real kernel (user-mode-linux) start, read, sync and check each of them",
  },
  { long: "keep-going", text: "go on after a run that is broken" },
  {
    long: "log",
    conflicts: ["json", "runs", "minutes", "list", "explore"],
    text: "tell all that happens in one run; needs --replay, or --scenario and --seed",
  },
  {
    long: "replay",
    value: { name: "FILE", completes: "files" },
    conflicts: ["scenario", "seed", "runs", "minutes", "list", "json", "explore"],
    text: "play the script in FILE (one of test/sim-seeds, say) and tell all that happens",
  },
  {
    long: "list",
    conflicts: ["scenario", "seed", "runs", "minutes", "mutant", "explore"],
    text: "list the scenarios and mutants",
  },
  JSON_OUTPUT,
];

export const command: Command = {
  meta: {
    name: "sim",
    summary: "tries crashes and failures of disks on simulated arrays and mapped devices",
    description: [
      "Plays stories made by chance: an array is created on simulated disks, clients write it, disks fail and come back, power is cut, and what is left is held against what was promised. The array's code is the one that runs everywhere; its disks, its time and its luck are simulated, so each run is told by its seed and is the same each time.",
      "A run that is broken is made as short as can be and told as a log, with the command that plays it again; the exit code is 1 then. With --json the shortened script comes along, as --replay takes it.",
    ],
    arguments: [],
    options: OPTIONS,
    examples: [
      { command: "holdfast sim --minutes 5", text: "All scenarios, for five minutes." },
      { command: "holdfast sim --scenario mixed --seed 42 --log", text: "One story, told." },
      {
        command: "holdfast sim --images /tmp/cuts --kernel",
        text: "Let the real kernel judge what 24 power cuts left.",
      },
      { command: "holdfast sim --list", text: "What there is." },
    ],
  },
  async run(context, args) {
    const { simulate } = await import("../simulate.ts");
    return simulate(context, args);
  },
};
