/** The host of a process: its arrays and its mapped devices as one. */
import type { Env } from "../env/env.ts";
import { bothHosts } from "./host-call.ts";
import { LocalArrayHost } from "./local-host.ts";
import type { LocalHostOptions } from "./local-host.ts";
import type { OwnedHost } from "./owned-host.ts";

export function makeHost(env: Env, options: LocalHostOptions): OwnedHost {
  const arrays = new LocalArrayHost(env, options);
  return {
    ...bothHosts(arrays, arrays.mapped),
    listen: (listener) => arrays.listen(listener),
    use: (name) => arrays.use(name),
    letGo: () => arrays.mapped.letGo(),
    close: () => arrays.close(),
  };
}
