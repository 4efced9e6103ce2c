import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';

/** Errors of the API: RFC 9457 problem details, with a stable `code` for programs. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'Always about:blank: `code` tells problems apart.' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; for programs.' }),
    detail: Type.String({ description: 'For people.' }),
  },
  { $id: 'Problem' },
);

export function sendProblem(reply: FastifyReply, status: number, code: string, detail: string): FastifyReply {
  return reply
    .code(status)
    .type('application/problem+json')
    .send({ type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, code, detail });
}

/** Makes every error of every route a problem; what is not the client's fault is logged and not shown. */
export function installProblems(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, 404, 'not_found', `there is no ${request.method} ${request.url.split('?')[0]}`),
  );
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) {
      request.log.error({ error: error.stack ?? String(error) }, 'the API failed');
      return sendProblem(reply, 500, 'internal', 'the server failed; its log says more');
    }
    return sendProblem(reply, status, codeOf(error, status), error.message);
  });
}

function codeOf(error: FastifyError, status: number): string {
  if (error.validation) return 'invalid_request';
  switch (status) {
    case 401:
      return 'unauthorized';
    case 413:
      return 'too_large';
    case 415:
      return 'unsupported_media_type';
    case 429:
      return 'rate_limited';
    default:
      return 'bad_request';
  }
}
