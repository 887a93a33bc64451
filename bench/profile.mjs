/** `node bench/profile.mjs [ARRAY [WORKLOAD]]`: see profile.ts. */
import "../scripts/ts-hook.mjs";

const { profileServer } = await import("./profile.ts");
await profileServer(process.argv.slice(2));
