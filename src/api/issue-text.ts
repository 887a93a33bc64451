/** What a schema has found wrong, as a sentence without its end. */
import type * as z from "zod";

type Issue = z.core.$ZodIssue;

export function issueText(issue: Issue): string {
  const where = issue.path.map(String).join(".");
  switch (issue.code) {
    case "unrecognized_keys": {
      const fields = issue.keys.map((key) => `'${key}'`).join(", ");
      return where === "" ? `unknown field ${fields}` : `unknown field ${fields} in '${where}'`;
    }
    case "invalid_union":
      return `${subject(where)} is none of what it can be`;
    case "invalid_type":
      return issue.input === undefined && !issue.message.includes("received")
        ? `${subject(where)} is missing (${issue.expected})`
        : `${subject(where)}: ${ours(issue.message)}`;
    default:
      return `${subject(where)}: ${ours(issue.message)}`;
  }
}

function subject(where: string): string {
  return where === "" ? "the request" : `'${where}'`;
}

function ours(message: string): string {
  return message
    .replace(/^Invalid (?:input|option): /, "")
    .replace(/^[A-Z]/, (letter) => letter.toLowerCase());
}
