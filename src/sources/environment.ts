/**
 * Configuration by environment: each key of a file's schema has a variable, named after its path (`dns.tcp.max_size`
 * is `MERIDIAN_DNS_TCP_MAX_SIZE`). A variable that is set and not empty wins over the file.
 */
import type { TSchema } from 'typebox';
import { schemaProblems } from './schema-problems.js';
import { formatPath, type Problem, parseYaml } from './yaml-document.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One key that can be set, as documentation shows it. */
export interface Setting {
  readonly key: string;
  readonly variable: string;
  readonly schema: SettingSchema;
}

/** The part of JSON Schema that tells how a variable's text is read. */
export interface SettingSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly anyOf?: readonly SettingSchema[];
  readonly properties?: Readonly<Record<string, SettingSchema>>;
  readonly items?: SettingSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

export interface Overridden {
  readonly value: unknown;
  /** The variable of each key that was set by one. */
  readonly variables: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

const TEXT_MAX = 65_536;

/** Every key below `schema` that holds a value, in the schema's order. */
export function settingsOf(schema: TSchema): readonly Setting[] {
  return leaves(schema as SettingSchema, []);
}

/** `value` with the variables' values put in; itself unchanged. A bad variable is a problem and is not put in. */
export function applyEnvironment(schema: TSchema, value: unknown, environment: Environment): Overridden {
  const variables = new Map<string, string>();
  const problems: Problem[] = [];
  let result = value;
  for (const setting of settingsOf(schema)) {
    const text = environment[setting.variable];
    if (text === undefined || text === '') continue;
    const read = readVariable(setting, text);
    if ('problems' in read) {
      problems.push(...read.problems);
      continue;
    }
    variables.set(setting.key, setting.variable);
    result = put(result, setting.key.split('.'), read.value);
  }
  return { value: result, variables, problems };
}

/** A problem of a variable: it has no place in a file. */
export function environmentProblem(variable: string, message: string): Problem {
  return { file: 'environment', line: 1, column: 1, path: variable, message };
}

function leaves(schema: SettingSchema, path: readonly string[]): Setting[] {
  if (!schema.properties) {
    const variable = `MERIDIAN_${path.join('_').toUpperCase()}`;
    return [{ key: path.join('.'), variable, schema }];
  }
  return Object.entries(schema.properties).flatMap(([key, child]) => leaves(child, [...path, key]));
}

function readVariable(
  { schema, variable }: Setting,
  text: string,
): { readonly value: unknown } | { readonly problems: readonly Problem[] } {
  if (text.length > TEXT_MAX) {
    return { problems: [environmentProblem(variable, `is longer than ${TEXT_MAX} characters`)] };
  }
  const parsed = parseText(schema, text);
  if (parsed === undefined) {
    return { problems: [environmentProblem(variable, 'must be a YAML or JSON list on one line')] };
  }
  const problems = schemaProblems(schema as TSchema, parsed).map(({ path, message }) =>
    environmentProblem(path.length > 0 ? `${variable} ${formatPath(path)}` : variable, message),
  );
  return problems.length > 0 ? { problems } : { value: parsed };
}

/** The text as the schema's type; text that does not fit stays text, and the schema then says what is allowed. */
function parseText(schema: SettingSchema, text: string): unknown {
  const list = schema.type === 'array' ? schema : schema.anyOf?.find(({ type }) => type === 'array');
  if (list?.items?.properties) {
    const document = parseYaml('environment', text);
    return 'problems' in document ? undefined : document.value;
  }
  if (list && (schema === list || text.includes(','))) {
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  }
  if (schema.type === 'boolean') return text === 'true' || (text === 'false' ? false : text);
  if (schema.type === 'number') return /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text;
  return schema.type === 'integer' && /^\d{1,15}$/.test(text) ? Number(text) : text;
}

/** A copy with one value set; a parent that is no map stays, for the schema to complain about. */
function put(target: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (target !== undefined && !isMap(target)) return target;
  return { ...target, [key]: put(target?.[key], rest, value) };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
