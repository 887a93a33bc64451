/** Makes the page anew from the results that are there: see page.ts. */
import "../scripts/ts-hook.mjs";

const { writePage } = await import("./page.ts");
await writePage();
