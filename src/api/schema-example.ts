/** The part of JSON Schema that examples are made from. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

type Components = Readonly<Record<string, JsonSchema>>;

const DEPTH_MAX = 12;

/**
 * A value that fits a schema: what its `examples` or `default` say, else one made of its parts. `name` is the key that holds
 * it, which says what a text is likely to be.
 */
export function exampleOf(schema: JsonSchema, components: Components = {}, name = '', depth = 0): unknown {
  if (depth > DEPTH_MAX) return null;
  const known = schema.examples?.[0] ?? schema.default ?? schema.const ?? schema.enum?.[0];
  if (known !== undefined) return known;
  if (schema.$ref !== undefined) {
    const target = components[schema.$ref.split('/').at(-1) ?? ''];
    return target ? exampleOf(target, components, name, depth + 1) : {};
  }
  const [branch] = schema.anyOf ?? [];
  if (branch) return exampleOf(branch, components, name, depth + 1);
  switch (schema.type) {
    case 'object':
      return exampleMap(schema, components, depth);
    case 'array': {
      const item = exampleOf(schema.items ?? {}, components, name.replace(/s$/, ''), depth + 1);
      return Array.from({ length: Math.max(1, schema.minItems ?? 1) }, () => item);
    }
    case 'integer':
    case 'number':
      return exampleNumber(schema);
    case 'boolean':
      return false;
    case 'string':
      return exampleText(schema, name);
    case 'null':
      return null;
    default:
      return {};
  }
}

function exampleMap(schema: JsonSchema, components: Components, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    result[key] = exampleOf(child, components, key, depth + 1);
  }
  for (const [pattern, child] of Object.entries(schema.patternProperties ?? {})) {
    const key = exampleText({ pattern }, '');
    result[key] = exampleOf(child, components, key, depth + 1);
  }
  return result;
}

function exampleNumber({ minimum, maximum, exclusiveMinimum }: JsonSchema): number {
  const low = minimum ?? (exclusiveMinimum === undefined ? 1 : exclusiveMinimum + 1);
  return Math.min(Math.max(low, 1), maximum ?? Number.POSITIVE_INFINITY);
}

/** By the name of the key; then texts that patterns often ask for. */
const BY_NAME: Readonly<Record<string, string>> = {
  target: '192.0.2.10',
  address: '192.0.2.10',
  monitor: 'http',
  node: 'dns-eu-1',
  region: 'eu-west',
  zone: 'example.com',
  file: 'example.com.yaml',
  name: 'www.example.com.',
  service: 'web',
  pool: 'eu',
  at: '2030-01-31T12:00:00.000Z',
  since: '2030-01-31T12:00:00.000Z',
  loaded: '2030-01-31T12:00:00.000Z',
  created: '2030-01-31T12:00:00.000Z',
  expires: '2030-01-31T12:00:00.000Z',
  published: '2030-01-31T12:00:00.000Z',
  built: '2030-01-31T12:00:00.000Z',
  started: '2030-01-31T12:00:00.000Z',
  last_used: '2030-01-31T12:00:00.000Z',
  last_check: '2030-01-31T12:00:00.000Z',
  next_check: '2030-01-31T12:00:02.000Z',
  state: 'up',
  view: 'up',
  basis: 'observers',
  detail: 'status 200',
  observer: 'probe',
  version: '0.1.0',
  type: 'A',
  rdata: '192.0.2.10',
  author: 'alice',
  who: 'alice',
  by: 'alice',
  message: 'move Berlin to the new pool',
  request_id: '8e03978e-40d5-43dd-bc93-6894a57f9324',
  cursor: 'WzEwMCwiZXhhbXBsZS5jb20iXQ',
  next: 'WzEwMCwiZXhhbXBsZS5jb20iXQ',
  url: 'https://dns-eu-1.example.com:8300',
};

const COMMON: readonly string[] = [
  'text',
  'example.com',
  '2030-01-31',
  '2030-01-31T12:00:00Z',
  '0123456789abcdef',
  '5s',
  '02:00',
  '192.0.2.0/24',
  '192.0.2.1',
  'https://www.example.com/',
  '/v1/zones',
  '1',
  '0'.repeat(32),
  '0'.repeat(64),
  'eyJhIjoxfQ',
  'Zm9vYmFyMTI',
  '8e03978e-40d5-43dd-bc93-6894a57f9324',
  '"0123456789abcdef"',
];

function exampleText(
  { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: JsonSchema,
  name: string,
): string {
  const fits = (text: string) =>
    text.length >= minLength &&
    text.length <= maxLength &&
    (pattern === undefined || new RegExp(pattern, 'u').test(text));
  const named = BY_NAME[name];
  return (
    [...(named === undefined ? [] : [named]), ...COMMON].find(fits) ?? 'x'.repeat(Math.max(1, minLength))
  );
}
