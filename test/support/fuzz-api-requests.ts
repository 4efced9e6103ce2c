import { exampleOf, type JsonSchema } from '../../src/api/schema-example.js';
import { type ApiDescription, type NamedOperation, operationsOf, resolved } from './api-description.js';

export interface FuzzRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload?: string;
  /** The operation that it was made from. */
  readonly of: string;
}

/** Draws numbers from 0 to below 1, again the same for the same seed (mulberry32). */
export function seededDraw(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const TEXTS = [
  '',
  ' ',
  '\0',
  '.',
  '..',
  '../../etc/passwd',
  '%',
  '%00',
  '%E0%A4%A',
  'ä',
  '\u202e',
  '\u0085',
  'a\u0007b',
  '\ud800',
  '🐙',
  'null',
  '__proto__',
  'constructor',
  'toString',
  'a'.repeat(64),
  'a'.repeat(300),
  'a.'.repeat(130),
  "' OR 1=1 --",
  '<script>',
  '{{7*7}}',
  '\r\nX-Injected: 1',
  '-1',
  '0',
  '1e309',
  '9007199254740993',
  '2030-99-99',
  '999999999d',
  '192.0.2.0/33',
  '::ffff:192.0.2.1',
  '"s1"',
  'W/"x"',
  '*',
] as const;

const VALUES: readonly unknown[] = [
  ...TEXTS,
  null,
  true,
  false,
  -1,
  0,
  -0,
  0.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  [],
  [[]],
  {},
  { a: 1 },
  { constructor: { prototype: {} } },
  Array.from({ length: 2000 }, () => 0),
];

/** Names that the fuzzed world has, so that some requests get far. */
const KNOWN = [
  ...['fuzz.test', 'fuzz.test.', 'www.fuzz.test', 'eu', 'us', 'ci'],
  ...['fuzz.test.yaml', '192.0.2.1', '1', 'a'],
];

/** The same by the name of a parameter of a path. */
const KNOWN_BY_NAME: Readonly<Record<string, readonly string[]>> = {
  zone: ['fuzz.test', 'fuzz.test', 'spare.test', 'new.test'],
  name: ['www', 'txt', 'eu', 'us', 'new', '@'],
  type: ['A', 'TXT', 'AAAA', 'MX'],
  pool: ['eu', 'us'],
  address: ['192.0.2.1', '192.0.2.2', '192.0.2.9'],
  id: ['1', '2', '3', '4', 'w1', 'r1'],
  target: ['fuzz.test/eu', 'fuzz.test/us', 'fuzz.test/us/192.0.2.2', 'fuzz.test/gone', '*/eu'],
};

/** And by the key in a body. */
const KNOWN_BY_KEY: Readonly<Record<string, readonly string[]>> = {
  zone: ['fuzz.test', 'fuzz.test.'],
  from: ['eu', 'us'],
  to: ['us', 'eu'],
};
/** Of each name, of what answers told. */
const LEARNED_MAX = 4;

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'] as const;
const TOKENS = [
  'admin',
  'admin',
  'admin',
  'admin',
  'admin',
  'read',
  'operate',
  'zones',
  'report',
  'bound',
  'wrong',
  '',
];
const MEDIA_TYPES = [
  'application/json; charset=utf-8',
  'application/json;charset=latin1',
  'application/merge-patch+json',
  'text/plain',
  'application/yaml',
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'x',
];

/** Makes requests from the description of an API: right ones, nearly right ones, and wrong ones. */
export class ApiRequests {
  readonly #operations: readonly NamedOperation[];
  readonly #schemas: Readonly<Record<string, JsonSchema>>;
  /** What answers called by the name of a parameter of a path: the newest accounts, plans. */
  readonly #learned = new Map<string, string[]>();

  /** Streams never end, so they are left out. */
  constructor(description: ApiDescription) {
    this.#operations = operationsOf(description).filter(({ path }) => !path.endsWith('/events'));
    this.#schemas = description.components.schemas;
  }

  get operations(): readonly NamedOperation[] {
    return this.#operations;
  }

  /** Takes what an answer says of things that were made. */
  learn(answer: unknown): void {
    for (const name of ['id', 'username']) {
      const value = (answer as Readonly<Record<string, unknown>> | null)?.[name];
      if (typeof value !== 'string') continue;
      this.#learned.set(name, [...(this.#learned.get(name) ?? []), value].slice(-LEARNED_MAX));
    }
  }

  make(draw: () => number): FuzzRequest {
    const named = pick(this.#operations, draw);
    const { method, path, operation } = named;
    // How wild a request is: most are right but for a thing or two, else no handler would ever be reached.
    const wild = draw() < 0.35 ? 0 : draw() < 0.6 ? 0.15 : 0.6;
    const headers: Record<string, string> = { authorization: `Bearer ${pick(TOKENS, draw)}` };
    const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
    const payload = schema === undefined && draw() > 0.05 ? undefined : this.#body(schema ?? {}, wild, draw);
    if (payload !== undefined) {
      headers['content-type'] = draw() < wild * 0.3 ? pick(MEDIA_TYPES, draw) : 'application/json';
    }
    this.#addHeaders(headers, operation.parameters ?? [], wild, draw);
    return {
      method: draw() < wild * 0.2 ? pick(METHODS, draw) : method,
      url: this.#url(path, operation.parameters ?? [], wild, draw),
      headers,
      ...(payload !== undefined && { payload }),
      of: `${method} ${path}`,
    };
  }

  #url(
    path: string,
    parameters: NonNullable<NamedOperation['operation']['parameters']>,
    wild: number,
    draw: () => number,
  ) {
    const text = (schema: JsonSchema) => {
      if (draw() < wild) return pick(TEXTS, draw);
      return draw() < 0.5 ? pick(KNOWN, draw) : String(exampleOf(schema, this.#schemas));
    };
    const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const parameter = parameters.find((one) => one.in === 'path' && one.name === name);
      const known = [...(KNOWN_BY_NAME[name] ?? []), ...(this.#learned.get(name) ?? [])];
      const value =
        known.length > 0 && draw() > wild ? pick(known, draw) : text(parameter?.schema ?? { type: 'string' });
      return encode(value, draw, wild);
    });
    const query = parameters
      .filter((one) => one.in === 'query' && (one.required ? draw() > wild * 0.3 : draw() < 0.4))
      .flatMap(({ name, schema }) => {
        const pair = `${name}=${encode(text(schema), draw, wild)}`;
        return draw() < wild * 0.2 ? [pair, pair] : [pair];
      });
    if (draw() < wild * 0.3) query.push(`${encode(pick(TEXTS, draw), draw, 0)}=1`);
    return query.length > 0 ? `${filled}?${query.join('&')}` : filled;
  }

  #addHeaders(
    headers: Record<string, string>,
    parameters: NonNullable<NamedOperation['operation']['parameters']>,
    wild: number,
    draw: () => number,
  ): void {
    for (const { name, schema } of parameters.filter((one) => one.in === 'header')) {
      if (draw() < 0.3) headers[name.toLowerCase()] = String(exampleOf(schema, this.#schemas));
    }
    // What is the case can't be known here; "*" is whenever there is something.
    if (parameters.some(({ name }) => name.toLowerCase() === 'if-match') || draw() < 0.3) {
      if (draw() < 0.7) headers['if-match'] = '*';
    }
    if (headers['idempotency-key'] !== undefined && draw() < 0.8) {
      headers['idempotency-key'] = `key-${Math.floor(draw() * 1e9)}`;
    }
    for (const name of [
      'if-match',
      'if-none-match',
      'idempotency-key',
      'x-request-id',
      'accept',
      'last-event-id',
    ]) {
      if (draw() < wild * 0.2) headers[name] = pick(TEXTS, draw).replaceAll(/[^\x20-\x7e]/g, '?');
    }
  }

  #body(schema: JsonSchema, wild: number, draw: () => number): string | undefined {
    const whole = resolved(schema, this.#schemas) as JsonSchema;
    const value = this.#value(whole, wild, draw, 0);
    let text = JSON.stringify(value) ?? '';
    const kind = draw();
    if (kind < wild * 0.1) text = text.slice(0, Math.floor(text.length * draw()));
    else if (kind < wild * 0.2) text = flip(text, draw);
    else if (kind < wild * 0.25) text = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
    else if (kind < wild * 0.3) text = JSON.stringify({ a: 'x'.repeat(300_000) });
    else if (kind < wild * 0.34) text = `{"__proto__":{"a":1},${text.slice(1)}`;
    else if (kind < wild * 0.37) return undefined;
    return text;
  }

  /** A value that nearly fits. */
  #value(schema: JsonSchema, wild: number, draw: () => number, depth: number): unknown {
    if (depth > 12 || draw() < wild * 0.2) return pick(VALUES, draw);
    if (schema.anyOf) return this.#value(pick(schema.anyOf, draw), wild, draw, depth + 1);
    if (schema.properties && !schema.examples) return this.#map(schema, wild, draw, depth);
    if (schema.items && !schema.examples) {
      const length = Math.max(schema.minItems ?? 0, Math.floor(draw() * 3));
      const { items } = schema;
      return Array.from({ length }, () => this.#value(items, wild, draw, depth + 1));
    }
    if (schema.type === 'string' && draw() < 0.2 + wild)
      return draw() < wild ? pick(TEXTS, draw) : pick(KNOWN, draw);
    if (schema.enum) return pick(schema.enum, draw);
    return exampleOf(schema, this.#schemas);
  }

  #map({ properties = {}, required = [] }: JsonSchema, wild: number, draw: () => number, depth: number) {
    const result: Record<string, unknown> = {};
    for (const [key, child] of Object.entries(properties)) {
      const isThere = required.includes(key) ? draw() > wild * 0.1 : draw() < 0.5;
      const known = KNOWN_BY_KEY[key];
      if (isThere && known && draw() > wild) result[key] = pick(known, draw);
      else if (isThere) result[key] = this.#value(child, wild, draw, depth + 1);
    }
    if (draw() < wild * 0.2) result[pick(TEXTS, draw)] = pick(VALUES, draw);
    return result;
  }
}

function pick<T>(list: readonly T[], draw: () => number): T {
  return list[Math.floor(draw() * list.length)]!;
}

/** Percent-encoded, or now and then as it is, as far as a URL can hold it. */
function encode(text: string, draw: () => number, wild: number): string {
  if (draw() < wild * 0.3) return text.replaceAll(/[^\x21-\x7e]|[?#]/g, '%');
  return encodeURIComponent(text.replaceAll(/[\ud800-\udfff]/g, '\ufffd'));
}

function flip(text: string, draw: () => number): string {
  const at = Math.floor(draw() * text.length);
  return `${text.slice(0, at)}${String.fromCharCode(1 + Math.floor(draw() * 126))}${text.slice(at + 1)}`;
}
