/** The daemon's configuration: one JSON object, everything in it optional. What is given on the command line counts more. */
import * as z from "zod";
import { issueText } from "../api/issue-text.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Env } from "../env/env.ts";
import { readSmallFile } from "../env/small-file.ts";

const path = z.string().min(1);

const tls = z.strictObject({
  /** A folder with server-cert.pem and server-key.pem, or a file of pre-shared keys. */
  certificates: path.optional(),
  psk: path.optional(),
  required: z.boolean().default(true),
});

const config = z.strictObject({
  state: path.optional(),
  socket: path.optional(),
  nbd: z
    .strictObject({
      tcp: z
        .strictObject({
          host: z.string().min(1),
          port: z.int().min(0).max(65535).default(10809),
          tls: tls.optional(),
        })
        .optional(),
    })
    .optional(),
  allowedUids: z.array(z.int().nonnegative()).default([]),
  logLevel: z.enum(["debug", "info", "warning", "error"]).default("info"),
});

export type DaemonConfig = z.infer<typeof config>;

/** @throws HoldfastError as opening a file does, and `usage` for what is no configuration */
export async function loadConfig(env: Env, file: string | undefined): Promise<DaemonConfig> {
  if (file === undefined) return config.parse({});
  const found = config.safeParse(parsed(file, await readSmallFile(env, file)));
  if (found.success) return found.data;
  throw new HoldfastError("usage", `${file}: ${issueText(found.error.issues[0]!)}.`);
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new HoldfastError("usage", `${file} is no JSON: ${why}.`);
  }
}
