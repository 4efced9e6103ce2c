import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import { type TSchema, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { Value } from 'typebox/value';
import { schemaProblems } from '../sources/schema-problems.js';
import { formatPath } from '../sources/yaml-document.js';
import type { Mistake } from './problem.js';

/** As many mistakes are told in one answer. */
const MISTAKES_MAX = 100;

/** The parts of a request, as mistakes name them. */
const PARTS: Readonly<Record<string, string>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'headers',
};

/** A request that does not fit its schema: where, and what is allowed there. */
export class InvalidRequest extends Error {
  readonly statusCode = 400;
  readonly mistakes: readonly Mistake[];

  constructor(mistakes: readonly Mistake[]) {
    const [first] = mistakes;
    const more = mistakes.length > 1 ? ` (and ${mistakes.length - 1} more)` : '';
    super(`${first?.path ?? 'the request'}: ${first?.message ?? 'does not fit'}${more}`);
    this.name = 'InvalidRequest';
    this.mistakes = mistakes;
  }
}

/**
 * Checks requests with the words that zone files are checked with: unknown keys name the nearest known one. What is text
 * in URLs and headers is turned into what the schema asks for.
 */
export const checkRequests: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = 'body' }) => {
  const compiled = Compile(schema);
  const part = PARTS[httpPart] ?? httpPart;
  return (value: unknown) => {
    const converted = httpPart === 'body' ? value : Value.Convert(schema, value);
    if (compiled.Check(converted)) return { value: converted };
    return { error: new InvalidRequest(mistakesOf(schema, part, converted)) };
  };
};

/** Every mistake of a part of a request. */
export function mistakesOf(schema: TSchema, part: string, value: unknown): readonly Mistake[] {
  if (value === undefined || (value === null && part === 'body')) {
    return [{ path: part, message: 'is missing: send a JSON document with Content-Type: application/json' }];
  }
  return schemaProblems(schema, value)
    .slice(0, MISTAKES_MAX)
    .map(({ path, message }) => ({ path: formatPath([part, ...path]), message }));
}

const NO_QUERY = Type.Object({}, { additionalProperties: false, title: 'no parameter' });

/** Routes of `/v1` that say nothing about their query take none: a mistyped parameter is an error, not ignored. */
export function refuseUnknownParameters(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith('/v1/')) return;
    route.schema = { querystring: NO_QUERY, ...route.schema };
  });
}
