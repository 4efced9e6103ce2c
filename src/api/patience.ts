/**
 * A connection that is silent for a while is closed: its client is gone, or slow on purpose. While a request is worked
 * on it is silent, too, and large zones take minutes then; that must not cost the client its answer.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';

export const IDLE_MS_MAX = 30_000;
/** Longer than any handler waits for the threads that work for it. */
const WORK_MS_MAX = 300_000;

/** `idleMs`: how silent a connection may be before and after a request is worked on. */
export function installPatience(app: FastifyInstance, idleMs: number = IDLE_MS_MAX): void {
  app.addHook('preHandler', async (request) => bear(request, WORK_MS_MAX));
  app.addHook('onSend', async (request, _reply, payload) => {
    bear(request, idleMs);
    return payload;
  });
}

/** For so many milliseconds the connection of a request may be silent from now. */
export function bear({ raw }: FastifyRequest, ms: number): void {
  // Requests of tests have no socket.
  raw.socket?.setTimeout?.(ms);
}
