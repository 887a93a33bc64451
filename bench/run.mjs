/** `npm run bench`: see main.ts. */
import "../scripts/ts-hook.mjs";

const { main } = await import("./main.ts");
process.exitCode = await main(process.argv.slice(2));
