import type { FastifyReply } from 'fastify';
import { sendProblem } from './problem.js';

/** What is supposed to be down or up is called otherwise. */
export function sendUnknownSubject(
  reply: FastifyReply,
  subject: string,
  known: readonly string[],
): FastifyReply {
  const hint = known.length > 0 ? `; there are ${known.join(', ')}` : '';
  const detail = `down, up: no region, pool or endpoint is called ${subject}${hint}`;
  return sendProblem(reply, 400, 'unknown_subject', detail);
}
