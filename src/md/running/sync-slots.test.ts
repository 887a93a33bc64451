import { expect, it } from "vitest";
import { inSync, memberOf, recoveringAt, SPARE } from "../../../test/support/sync-array.ts";
import type { Standing } from "./member.ts";
import { Members } from "./members.ts";
import { activate, fillSlots, promoteReplacements, recovering } from "./sync-slots.ts";

function membersOf(...standings: Standing[]): Members {
  return new Members(
    3,
    standings.map((one, number) => memberOf(one, number)),
  );
}

/** "0 1< 1R<": in sync in slot 0, being filled in slot 1, a replacement beside it. */
function told(members: Members): string {
  return members.attached
    .map(({ standing, isReplacement }) => {
      if (standing.kind !== "in-sync" && standing.kind !== "recovering") return standing.kind;
      const mark = standing.kind === "recovering" ? "<" : "";
      return `${standing.slot}${isReplacement ? "R" : ""}${mark}`;
    })
    .join(" ");
}

it("spares go into the slots that are empty, lowest first, and wait if there are none", () => {
  const members = membersOf(inSync(1), SPARE, SPARE, SPARE);
  expect(fillSlots(members)).toBe(true);
  expect(told(members)).toBe("1 spare 2< 0<");
  expect(fillSlots(members)).toBe(false);
});

it("who was there before gets its slot again, and what it missed by the bitmap", () => {
  const members = membersOf(inSync(0), SPARE);
  members.withNumber(1)!.savedSlot = 2;
  fillSlots(members);
  expect(told(members)).toBe("0 2<");
  expect(members.withNumber(1)!.savedSlot).toBe(2);
});

it("whose slot is taken gets another one, and nothing by the bitmap", () => {
  const members = membersOf(inSync(0), inSync(1), SPARE);
  members.withNumber(2)!.savedSlot = 1;
  fillSlots(members);
  expect(told(members)).toBe("0 1 2<");
  expect(members.withNumber(2)!.savedSlot).toBeNull();
});

it("empty slots come before replacements, and each member gets one", () => {
  const members = membersOf(inSync(0), inSync(1), SPARE, SPARE, SPARE);
  members.withNumber(0)!.wantsReplacement = true;
  fillSlots(members);
  expect(told(members)).toBe("0 1 spare 0R< 2<");
});

it("faulty ones and journals are left alone", () => {
  const members = membersOf(inSync(0), { kind: "faulty" }, { kind: "journal" });
  expect(fillSlots(members)).toBe(false);
  expect(told(members)).toBe("0 faulty journal");
});

it("a replacement that is left alone is the member", () => {
  const members = membersOf(inSync(0), recoveringAt(1, 128));
  members.withNumber(1)!.isReplacement = true;
  expect(promoteReplacements(members)).toBe(true);
  expect(promoteReplacements(members)).toBe(false);
  expect(told(members)).toBe("0 1<");
});

it("a replacement that is full takes over, and who was replaced is faulty", () => {
  const members = membersOf(inSync(0), inSync(1), inSync(2), recoveringAt(1, Infinity));
  members.withNumber(3)!.isReplacement = true;
  activate(recovering(members), members);
  expect(told(members)).toBe("0 faulty 2 1");
});

it("who is not full stays as it is, and what the bitmap knows of others is kept while somebody is missing", () => {
  const members = membersOf(inSync(0), recoveringAt(1, 640), recoveringAt(2, Infinity), SPARE);
  members.withNumber(3)!.savedSlot = 1;
  activate(recovering(members), members);
  expect(told(members)).toBe("0 1< 2 spare");
  expect(members.withNumber(3)!.savedSlot).toBe(1);
  members.withNumber(1)!.standing = inSync(1);
  activate([], members);
  expect(members.withNumber(3)!.savedSlot).toBeNull();
});
