import type { JsonSchema } from '../../src/api/schema-example.js';

export interface ApiParameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
  readonly example?: unknown;
}

export interface ApiContent {
  readonly content?: Readonly<Record<string, { readonly schema?: JsonSchema; readonly example?: unknown }>>;
}

export interface ApiOperation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: unknown;
  readonly parameters?: readonly ApiParameter[];
  readonly requestBody?: ApiContent;
  readonly responses: Readonly<Record<string, ApiContent>>;
}

/** The part of `/openapi.json` that tests look at. */
export interface ApiDescription {
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

export interface NamedOperation {
  readonly method: string;
  readonly path: string;
  readonly operation: ApiOperation;
}

export function operationsOf({ paths }: ApiDescription): readonly NamedOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** A schema without references. */
export function resolved(value: unknown, schemas: Readonly<Record<string, JsonSchema>>, depth = 0): unknown {
  if (depth > 30 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => resolved(item, schemas, depth + 1));
  const { $ref } = value as JsonSchema;
  if (typeof $ref === 'string')
    return resolved(schemas[$ref.split('/').at(-1) ?? ''] ?? {}, schemas, depth + 1);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, resolved(item, schemas, depth + 1)]),
  );
}
