/**
 * Large bodies are in memory as bytes, as text and as data until they are worked on, and whoever may read may send them
 * (plans). So there is only so much of them at once; requests with small ones are never counted.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sendProblem } from './problem.js';

/** Of all large bodies on their way or worked on. */
export const LARGE_BYTES_MAX = 256 * 1024 * 1024;
const SMALL_BYTES_MAX = 256 * 1024;

/** Refuses large bodies where there are too many already. `bytesMax`: for tests. */
export function limitLargeBodies(app: FastifyInstance, bytesMax: number = LARGE_BYTES_MAX): void {
  let inFlight = 0;
  app.addHook('preParsing', async (request, reply, payload) => {
    const bytes = bytesOf(request);
    if (bytes <= SMALL_BYTES_MAX) return payload;
    if (inFlight + bytes > bytesMax) {
      void reply.header('retry-after', '1');
      return sendProblem(
        reply,
        503,
        'busy',
        'too many large bodies are worked on; send it again in a second',
      );
    }
    inFlight += bytes;
    // Also where the client goes away before the answer.
    reply.raw.once('close', () => {
      inFlight -= bytes;
    });
    return payload;
  });
}

/** How long a body is, or may become. */
function bytesOf({ headers, routeOptions }: FastifyRequest): number {
  const given = headers['content-length'];
  const limit = routeOptions.bodyLimit ?? 0;
  if (given !== undefined) return Math.min(Number(given), limit);
  return headers['transfer-encoding'] === undefined ? 0 : limit;
}
