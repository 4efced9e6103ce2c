import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';
import { InvalidJson } from './json-body.js';
import { PROBLEM_KINDS, type ProblemCode } from './problem-codes.js';
import { InvalidRequest } from './request-checks.js';

/** One mistake of many: where it is, and what is wrong. */
export const MistakeSchema = Type.Object({
  file: Type.Optional(Type.String({ description: 'Of a zone: its file in the zone folder.' })),
  line: Type.Optional(Type.Integer({ description: 'From 1.' })),
  column: Type.Optional(Type.Integer({ description: 'From 1.' })),
  path: Type.String({
    description:
      '`records.www.ttl`; with `body`, `query`, `path` or `headers` in front where that part of the request is wrong.',
  }),
  message: Type.String(),
});

export type Mistake = Static<typeof MistakeSchema>;

/** Errors of the API: RFC 9457 problem details, with a stable `code` for programs. Further members are facts of the code. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'Always about:blank: `code` tells problems apart.' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; for programs.' }),
    detail: Type.String({ description: 'For people.' }),
    request_id: Type.Optional(
      Type.String({ description: 'As in the header `X-Request-Id`, and in the log.' }),
    ),
    problems: Type.Optional(Type.Array(MistakeSchema, { description: 'Every mistake that was found.' })),
  },
  { $id: 'Problem', additionalProperties: true },
);

/** Answers with a problem; `facts` are further members, such as `problems`, or both versions of a conflict. */
export function sendProblem(
  reply: FastifyReply,
  status: number,
  code: string,
  detail: string,
  facts: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  const title = STATUS_CODES[status] ?? 'Error';
  return reply
    .code(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title, status, code, detail, request_id: reply.request.id, ...facts });
}

/** Makes every error of every route a problem; what is not the client's fault is logged and not shown. */
export function installProblems(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, 404, 'not_found', `there is no ${request.method} ${request.url.split('?')[0]}`),
  );
  app.setErrorHandler(sendError);
}

/** The problem of an error that was thrown. */
export function sendError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = error.statusCode ?? 500;
  if (status >= 500) {
    request.log.error({ error: error.stack ?? String(error) }, 'the API failed');
    return sendProblem(reply, 500, 'internal', 'the server failed; its log says more');
  }
  if (error instanceof InvalidRequest) {
    return sendProblem(reply, 400, 'invalid_request', error.message, { problems: error.mistakes });
  }
  if (error instanceof InvalidJson) {
    return sendProblem(reply, 400, 'bad_request', error.message, { problems: [error.mistake] });
  }
  return sendProblem(reply, status, codeOf(error, status), error.message);
}

function codeOf(error: FastifyError, status: number): ProblemCode {
  if (error.validation) return 'invalid_request';
  switch (status) {
    case 401:
      return 'unauthorized';
    case 404:
      return 'not_found';
    case 413:
      return 'too_large';
    case 414:
      return 'uri_too_long';
    case 415:
      return 'unsupported_media_type';
    case 429:
      return 'rate_limited';
    default:
      return 'bad_request';
  }
}

/** What node's parser refuses before there is a request: a problem as well, as bytes for the socket. */
export function rawProblem(error: { readonly code?: string }): string {
  const code = RAW_CODES[error.code ?? ''] ?? 'bad_request';
  const { status, meaning } = PROBLEM_KINDS[code];
  const title = STATUS_CODES[status] ?? 'Error';
  const body = JSON.stringify({ type: 'about:blank', title, status, code, detail: meaning });
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

const RAW_CODES: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too_slow',
};
