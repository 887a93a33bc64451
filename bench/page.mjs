/** Makes the pages anew from the results that are there: see page.ts. */
import "../scripts/ts-hook.mjs";

const { writePages } = await import("./page.ts");
writePages({ isFormatted: true });
