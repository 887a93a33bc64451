/** Gives property tests the seed of the run; a failure prints it together with the path to the smallest case. */
import fc from "fast-check";
import { seedOfRun } from "./seed.ts";

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: seedOfRun() });
