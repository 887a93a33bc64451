/**
 * Checks values against docs/json-schema.json: the few words of JSON Schema that it uses, and no others, so that a word
 * that is not understood fails instead of being passed over.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
}

const WORDS = new Set([
  "$ref",
  "type",
  "enum",
  "anyOf",
  "items",
  "properties",
  "required",
  "additionalProperties",
]);

const FILE = fileURLToPath(new URL("../../docs/json-schema.json", import.meta.url));
const { $defs } = JSON.parse(readFileSync(FILE, "utf8")) as {
  readonly $defs: Readonly<Record<string, Schema>>;
};

export const SCHEMA_NAMES: readonly string[] = Object.keys($defs);

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    case "string":
    case "boolean":
      return typeof value === type;
    default:
      throw new Error(`the schema has a type that is not understood: ${type}`);
  }
}

/** What does not fit, one sentence each. */
function problems(schema: Schema, value: unknown, where: string): string[] {
  for (const word of Object.keys(schema)) {
    if (!WORDS.has(word)) throw new Error(`the schema has a word that is not understood: ${word}`);
  }
  if (schema.$ref !== undefined) {
    const target = $defs[schema.$ref.replace("#/$defs/", "")];
    if (target === undefined) throw new Error(`the schema leads nowhere: ${schema.$ref}`);
    return problems(target, value, where);
  }
  if (schema.anyOf !== undefined) {
    const found = schema.anyOf.map((one) => problems(one, value, where));
    return found.some((one) => one.length === 0)
      ? []
      : [`${where} fits none of: ${found.flat().join("; ")}`];
  }
  if (schema.enum !== undefined) {
    return schema.enum.includes(value) ? [] : [`${where} is ${JSON.stringify(value)}`];
  }
  if (schema.type === undefined || !isOfType(schema.type, value)) {
    return [`${where} is not of type ${schema.type}: ${JSON.stringify(value)}`];
  }
  const { items } = schema;
  if (Array.isArray(value) && items !== undefined) {
    return value.flatMap((one, index) => problems(items, one, `${where}[${index}]`));
  }
  return schema.type === "object" ? objectProblems(schema, value as object, where) : [];
}

function objectProblems(schema: Schema, value: object, where: string): string[] {
  const { properties = {}, required = [] } = schema;
  const entries = Object.entries(value);
  return [
    ...required.filter((key) => !(key in value)).map((key) => `${where}.${key} is missing`),
    ...entries.flatMap(([key, one]) => {
      const known = properties[key];
      if (known !== undefined) return problems(known, one, `${where}.${key}`);
      return schema.additionalProperties === true ? [] : [`${where}.${key} is not described`];
    }),
  ];
}

/** @param name a definition: "scan", "examine --explain" */
export function schemaProblems(name: string, value: unknown): string[] {
  const schema = $defs[name];
  if (schema === undefined) throw new Error(`docs/json-schema.json has no definition "${name}"`);
  return problems(schema, value, name);
}
