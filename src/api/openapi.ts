/**
 * What the description of the API gains after it was made from the routes' schemas: a name for each operation, the role that it
 * takes, problems as what they are, and an example of every parameter, body and answer.
 */
import { exampleOf, type JsonSchema } from './schema-example.js';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;
const PROBLEM = { $ref: '#/components/schemas/Problem' } as const;
const PROBLEM_TYPE = 'application/problem+json';

interface Content {
  schema?: JsonSchema;
  example?: unknown;
  examples?: unknown;
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: JsonSchema;
  example?: unknown;
}

interface Answer {
  description?: string;
  content?: Record<string, Content>;
}

interface Operation {
  operationId?: string;
  security?: unknown;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, Content> };
  responses?: Record<string, Answer>;
}

interface Description {
  paths?: Record<string, Partial<Record<(typeof METHODS)[number], Operation>>>;
  components?: { schemas?: Record<string, JsonSchema> };
}

/** A whole description of what @fastify/swagger made. The argument stays as it is. */
export function finishDescription<T extends object>(made: T): T {
  const document = structuredClone(made) as T & Description;
  const components = document.components?.schemas ?? {};
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS) {
      const operation = methods[method];
      if (operation) finishOperation(operation, method, path, components);
    }
  }
  return document;
}

function finishOperation(
  operation: Operation,
  method: string,
  path: string,
  components: Readonly<Record<string, JsonSchema>>,
): void {
  operation.operationId ??= operationIdOf(method, path);
  const isChange = method !== 'get' && operation.security !== undefined && path !== '/v1/reports';
  if (isChange) {
    operation.parameters = [...(operation.parameters ?? []), structuredClone(IDEMPOTENCY_KEY)];
  }
  for (const parameter of operation.parameters ?? []) {
    parameter.example ??= exampleOf(parameter.schema, components);
  }
  operation.responses = problemsOf(operation);
  const contents = [operation.requestBody, ...Object.values(operation.responses)];
  for (const content of contents.flatMap((part) => Object.values(part?.content ?? {}))) {
    if (content.schema && content.examples === undefined) {
      content.example ??= exampleOf(content.schema, components);
    }
  }
}

const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same change sent again with the same key, within 24 hours, gets the first answer.',
  schema: {
    type: 'string',
    minLength: 1,
    maxLength: 255,
    examples: ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
  },
};

/** `getV1ZonesZone` where a route gives none. */
function operationIdOf(method: string, path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'v1');
  return [method, ...words.map((word) => word[0]!.toUpperCase() + word.slice(1))].join('');
}

/** Problems have a media type of their own, and every operation may end in one. */
function problemsOf({ responses = {}, security }: Operation): Record<string, Answer> {
  const result: Record<string, Answer> = {};
  for (const [status, answer] of Object.entries(responses)) {
    const json = answer.content?.['application/json'];
    const isProblem = json?.schema?.$ref === PROBLEM.$ref;
    result[status] = isProblem ? problemAnswer() : { description: 'Done.', ...answer };
  }
  const isDescribed = (digit: string) => Object.keys(result).some((status) => status.startsWith(digit));
  if (security !== undefined && !isDescribed('4')) result['4XX'] = problemAnswer();
  if (!isDescribed('5')) result['5XX'] = problemAnswer();
  return result;
}

function problemAnswer(): Answer {
  return {
    description: 'A problem (RFC 9457); `code` says which.',
    content: { [PROBLEM_TYPE]: { schema: PROBLEM } },
  };
}
