/**
 * Says in plain words why a value does not fit a schema.
 *
 * The verdict is typebox's (`Value.Check`); this file only explains it, because a list of raw errors names
 * every branch of every union and stops after eight. It knows the keywords that our schemas use; should a
 * schema use another one, typebox's own message is the fallback.
 */
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';

export type Path = readonly (string | number)[];

export interface SchemaProblem {
  readonly path: Path;
  readonly message: string;
  /** `key` when the key itself is the mistake. */
  readonly at: 'key' | 'value';
}

/** More mistakes than this say nothing new; the rest is cut off. */
export const SCHEMA_PROBLEMS_MAX = 1000;

/** Every mistake of `value` against `schema`, in document order; empty when it fits. */
export function schemaProblems(schema: TSchema, value: unknown, path: Path = []): readonly SchemaProblem[] {
  if (Value.Check(schema, value)) return [];
  const found: SchemaProblem[] = [];
  explain(schema as JsonSchema, value, path, found);
  if (found.length > 0) return found;
  return Value.Errors(schema, value).map((error) => ({
    path: [...path, ...pointerSegments(error.instancePath)],
    message: error.message,
    at: 'value',
  }));
}

/** The candidate within two edits, and less than half of `word`, if there is one: for "did you mean". */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(word.length / 2));
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** A short, quoted form of any value for messages. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The part of JSON Schema that our schemas use. `title` names the expected thing: "a duration such as 5s". */
interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

function explain(schema: JsonSchema, value: unknown, path: Path, found: SchemaProblem[]): void {
  if (found.length >= SCHEMA_PROBLEMS_MAX) return;
  const literals = literalsOf(schema);
  if (literals) {
    if (!literals.includes(value)) found.push({ path, message: wrongLiteral(value, literals), at: 'value' });
  } else if (schema.anyOf) {
    explainUnion(schema, schema.anyOf, value, path, found);
  } else if (!hasType(schema, value)) {
    found.push({ path, message: `must be ${describe(schema)}, not ${show(value)}`, at: 'value' });
  } else if (Array.isArray(value)) {
    explainList(schema, value, path, found);
  } else if (typeof value === 'object' && value !== null) {
    explainMap(schema, value as Record<string, unknown>, path, found);
  } else {
    const message = scalarMessage(schema, value);
    if (message) found.push({ path, message, at: 'value' });
  }
}

/** One message for a union: from the branch that fits best, or from all when none has the value's type. */
function explainUnion(
  schema: JsonSchema,
  branches: readonly JsonSchema[],
  value: unknown,
  path: Path,
  found: SchemaProblem[],
): void {
  const candidates = branches.filter((branch) => mayHold(branch, value));
  let best: SchemaProblem[] | undefined;
  for (const branch of candidates) {
    const problems: SchemaProblem[] = [];
    explain(branch, value, path, problems);
    if (problems.length === 0) return;
    if (!best || problems.length < best.length) best = problems;
  }
  const shallow = best?.length === 1 && best[0]!.path.length === path.length && typeof value !== 'object';
  if (best && !(shallow && schema.title)) found.push(...best);
  else found.push({ path, message: `must be ${describe(schema)}, not ${show(value)}`, at: 'value' });
}

function explainList(
  schema: JsonSchema,
  value: readonly unknown[],
  path: Path,
  found: SchemaProblem[],
): void {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  if (value.length < minItems || value.length > maxItems) {
    const limit =
      value.length < minItems ? `at least ${count(minItems, 'item')}` : `at most ${count(maxItems, 'item')}`;
    const message = schema.title ? `must be ${schema.title}` : `must have ${limit}, not ${value.length}`;
    found.push({ path, message, at: 'value' });
  }
  const items = schema.items;
  if (!items) return;
  value.forEach((item, index) => {
    const itemSchema = isTuple(items) ? items[index] : items;
    if (itemSchema) explain(itemSchema, item, [...path, index], found);
  });
}

function explainMap(
  schema: JsonSchema,
  value: Readonly<Record<string, unknown>>,
  path: Path,
  found: SchemaProblem[],
): void {
  for (const key of schema.required ?? []) {
    if (!Object.hasOwn(value, key)) found.push({ path, message: missingKey(schema, key), at: 'value' });
  }
  const size = Object.keys(value).length;
  if (schema.minProperties !== undefined && size < schema.minProperties) {
    found.push({ path, message: `must have at least ${count(schema.minProperties, 'key')}`, at: 'value' });
  }
  if (schema.maxProperties !== undefined && size > schema.maxProperties) {
    found.push({ path, message: `must have at most ${count(schema.maxProperties, 'key')}`, at: 'value' });
  }
  for (const [key, item] of Object.entries(value)) {
    const itemSchema = schemaOfKey(schema, key);
    if (itemSchema === false)
      found.push({ path: [...path, key], message: unknownKey(schema, key), at: 'key' });
    else if (itemSchema) explain(itemSchema, item, [...path, key], found);
  }
}

/** The schema of a key's value; false when the key is not allowed, undefined when anything is. */
function schemaOfKey(schema: JsonSchema, key: string): JsonSchema | false | undefined {
  const properties = schema.properties ?? {};
  if (Object.hasOwn(properties, key)) return properties[key];
  for (const [pattern, item] of Object.entries(schema.patternProperties ?? {})) {
    if (new RegExp(pattern, 'u').test(key)) return item;
  }
  const rest = schema.additionalProperties;
  return rest === true ? undefined : (rest ?? undefined);
}

function scalarMessage(schema: JsonSchema, value: unknown): string | undefined {
  if (typeof value === 'number') {
    const { minimum, maximum, exclusiveMinimum } = schema;
    const low =
      (minimum !== undefined && value < minimum) ||
      (exclusiveMinimum !== undefined && value <= exclusiveMinimum);
    if (!low && !(maximum !== undefined && value > maximum)) return undefined;
    return `must be ${range(schema)}, not ${show(value)}`;
  }
  if (typeof value !== 'string') return undefined;
  const fits =
    (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value)) &&
    value.length >= (schema.minLength ?? 0) &&
    value.length <= (schema.maxLength ?? Number.POSITIVE_INFINITY);
  return fits ? undefined : `must be ${describe(schema)}, not ${show(value)}`;
}

function literalsOf(schema: JsonSchema): readonly unknown[] | undefined {
  if (schema.const !== undefined) return [schema.const];
  if (schema.enum) return schema.enum;
  if (!schema.anyOf?.every((branch) => branch.const !== undefined)) return undefined;
  return schema.anyOf.map((branch) => branch.const);
}

function hasType(schema: JsonSchema, value: unknown): boolean {
  switch (schema.type) {
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'string':
    case 'boolean':
      return typeof value === schema.type;
    case 'null':
      return value === null;
    default:
      return true;
  }
}

function mayHold(schema: JsonSchema, value: unknown): boolean {
  const literals = literalsOf(schema);
  if (literals) return literals.some((literal) => typeof literal === typeof value);
  return schema.anyOf ? schema.anyOf.some((branch) => mayHold(branch, value)) : hasType(schema, value);
}

function describe(schema: JsonSchema): string {
  if (schema.title) return schema.title;
  const literals = literalsOf(schema);
  if (literals) return literals.map(String).join(' or ');
  if (schema.anyOf) return [...new Set(schema.anyOf.map(describe))].join(' or ');
  switch (schema.type) {
    case 'object':
      return 'a map';
    case 'array':
      return 'a list';
    case 'integer':
    case 'number':
      return range(schema);
    case 'boolean':
      return 'true or false';
    case 'string':
      return schema.maxLength === undefined ? 'text' : `text of at most ${schema.maxLength} characters`;
    default:
      return schema.type ?? 'something else';
  }
}

function range({ type, minimum, maximum, exclusiveMinimum }: JsonSchema): string {
  const noun = type === 'integer' ? 'a whole number' : 'a number';
  if (exclusiveMinimum !== undefined) return `${noun} above ${exclusiveMinimum}`;
  if (minimum !== undefined && maximum !== undefined) return `${noun} from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${noun} of at least ${minimum}`;
  return maximum !== undefined ? `${noun} of at most ${maximum}` : noun;
}

function wrongLiteral(value: unknown, literals: readonly unknown[]): string {
  const near = typeof value === 'string' ? nearest(value, literals.map(String)) : undefined;
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  const expected = literals.length === 1 ? 'must be' : 'must be one of';
  return `${expected} ${literals.map(String).join(', ')}, not ${show(value)}${hint}`;
}

function missingKey(schema: JsonSchema, key: string): string {
  const property = schema.properties?.[key];
  return `the key "${key}" is missing${property ? `: ${describe(property)}` : ''}`;
}

function unknownKey(schema: JsonSchema, key: string): string {
  const allowed = Object.keys(schema.properties ?? {});
  if (allowed.length === 0) {
    return schema.title ? `a key here must be ${schema.title}` : 'this key is not allowed here';
  }
  const near = nearest(key, allowed);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return `unknown key${hint}${hint ? ' Allowed' : '; allowed'}: ${allowed.join(', ')}`;
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

function isTuple(items: JsonSchema | readonly JsonSchema[]): items is readonly JsonSchema[] {
  return Array.isArray(items);
}

function pointerSegments(pointer: string): string[] {
  const segments = pointer.split('/').slice(1);
  return segments.map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Optimal string alignment distance (a swap of neighbours is one edit); gives up at `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    if (Math.min(...row) >= limit) return limit;
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}
