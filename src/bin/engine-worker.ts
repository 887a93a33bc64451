/** The thread of an engine that opens volumes: `holdfast open`. */
import { runEngineThread } from "./engine-thread.ts";

void runEngineThread();
