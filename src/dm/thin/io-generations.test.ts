import { expect, test } from "vitest";
import { settled } from "../../../test/support/thin-rig.ts";
import { IoGenerations } from "./io-generations.ts";

/** What was said so far, in order. */
async function told(said: readonly string[]): Promise<string> {
  await settled();
  return said.join(" ");
}

test("whoever drains waits for what was under way, and not for what came since", async () => {
  const io = new IoGenerations();
  const said: string[] = [];
  const drain = (name: string): void => void io.drainOlder().then(() => said.push(name));
  drain("nothing");
  expect(await told(said)).toBe("nothing");
  const first = io.enter();
  const second = io.enter();
  drain("a");
  const third = io.enter();
  drain("b");
  drain("c");
  io.enter();
  io.leave(third);
  io.leave(first);
  expect(await told(said)).toBe("nothing");
  io.leave(second);
  expect(await told(said)).toBe("nothing a b c");
});

test("a later one waits for all that came before it", async () => {
  const io = new IoGenerations();
  const said: string[] = [];
  const first = io.enter();
  void io.drainOlder().then(() => said.push("a"));
  const second = io.enter();
  void io.drainOlder().then(() => said.push("b"));
  io.leave(first);
  expect(await told(said)).toBe("a");
  io.leave(second);
  expect(await told(said)).toBe("a b");
});
