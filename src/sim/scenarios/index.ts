/** The scenarios, in the order in which they are listed and played. A new one is one line here and one file in this folder. */
import type { Scenario } from "../scenario.ts";
import { LAW_SCENARIOS } from "./laws.ts";
import { RARE_SCENARIOS } from "./rare.ts";
import { CRASH, MIXED } from "./mixed.ts";

export const SCENARIOS: readonly Scenario[] = [CRASH, MIXED, ...LAW_SCENARIOS, ...RARE_SCENARIOS];
