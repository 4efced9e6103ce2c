import bearerAuth from '@fastify/bearer-auth';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendProblem } from './problem.js';

export type Role = 'read' | 'report' | 'admin';

/** Who presents a token. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
  /** The only node that this caller may report for; any where absent. */
  readonly node?: string;
}

/** Who a token belongs to; null for a token that nobody has. Compares in constant time. */
export type FindToken = (presented: string) => Caller | null;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Role that the route asks for; routes without one are open. */
    role?: Role;
  }
  interface FastifyRequest {
    caller?: Caller;
  }
}

/**
 * Closes every route that names a role: 401 without a known bearer token (RFC 6750 §3), 403 where the token's
 * role is not enough. `admin` may do everything.
 */
export async function installAuth(app: FastifyInstance, findToken: FindToken): Promise<void> {
  await app.register(bearerAuth, {
    keys: new Set<string>(),
    addHook: false,
    // The scheme's case does not matter (RFC 9110 §11.1).
    specCompliance: 'rfc6749',
    auth(key: string, request: FastifyRequest) {
      const caller = findToken(key);
      if (caller) request.caller = caller;
      return caller !== null;
    },
    errorResponse: (error: Error) => ({
      error: 'unauthorized',
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      code: 'unauthorized',
      detail: `${error.message}: send "Authorization: Bearer TOKEN"`,
    }),
    contentType: 'application/problem+json',
  });
  app.addHook('onRoute', (route) => {
    const role = route.config?.role;
    if (!role) return;
    const before = route.onRequest ?? [];
    const check = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) =>
      app.verifyBearerAuth?.(request, reply, done);
    const permit = async (request: FastifyRequest, reply: FastifyReply) => {
      const has = request.caller?.role;
      if (has === 'admin' || has === role) return undefined;
      return sendProblem(reply, 403, 'forbidden', `the role ${has} may not do this; it takes ${role}`);
    };
    route.onRequest = [check, permit, ...(Array.isArray(before) ? before : [before])];
  });
}
