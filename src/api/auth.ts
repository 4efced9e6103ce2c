import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { FailureLimit } from './failure-limit.js';
import { sendProblem } from './problem.js';

/**
 * What a token may do. `read`: see everything. `operate`: steer (force, drain, dial, roll out), and read. `zones`:
 * change zones, and read. `report`: send reports, nothing else. `admin`: everything.
 */
export type Role = 'read' | 'operate' | 'zones' | 'report' | 'admin';

/** Who presents a token. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
  /** The only node that this caller may report for; any where absent. */
  readonly node?: string;
  /** The only zones that this caller may change; any where absent. */
  readonly zones?: readonly string[];
  /** Milliseconds since 1970; absent: never. */
  readonly expiresMs?: number;
}

/** Who a token belongs to; null for a token that nobody has. Compares in constant time. */
export type FindToken = (presented: string) => Caller | null;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Role that the route asks for; routes without one are open. */
    role?: Role;
    /** Roles that may use the route as well; it looks itself what for. */
    alsoRoles?: readonly Role[];
    /** The route itself looks at `caller.zones`; else a token for some zones needs a `:zone` in the path. */
    checksZones?: boolean;
  }
  interface FastifyRequest {
    caller?: Caller;
  }
}

export interface AuthModules {
  readonly findToken: FindToken;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Wrong tokens of one address. */
  readonly failuresPerMinute?: number;
}

/** RFC 6750 §2.1. The scheme's case does not matter (RFC 9110 §11.1); tokens made by hand may have any characters. */
const BEARER = /^bearer +/i;

/**
 * Closes every route that names a role: 401 without a known bearer token (RFC 6750 §3), 403 where the token's
 * role is not enough. `admin` may do everything. An address that tries too many wrong tokens gets 429 for each further
 * one; a right token from there is still taken, so that nobody can lock others out.
 */
export function installAuth(app: FastifyInstance, modules: AuthModules): void {
  const failures = new FailureLimit(modules.now, modules.failuresPerMinute);
  app.addHook('onRoute', (route) => {
    const role = route.config?.role;
    if (!role) return;
    // For the description.
    route.schema = Object.assign({}, route.schema, { 'x-role': role });
    const before = route.onRequest ?? [];
    const check = async (request: FastifyRequest, reply: FastifyReply) => {
      const caller = callerOf(request, modules.findToken);
      if (!caller) return refuse(request, reply, failures);
      request.caller = caller;
      const missing = missingRight(caller, role, request);
      return missing === undefined ? undefined : sendProblem(reply, 403, 'forbidden', missing);
    };
    route.onRequest = [check, ...(Array.isArray(before) ? before : [before])];
  });
}

/** Who sends a request; null for nobody. */
export function callerOf({ headers }: Pick<FastifyRequest, 'headers'>, findToken: FindToken): Caller | null {
  const { authorization = '' } = headers;
  return BEARER.test(authorization) ? findToken(authorization.replace(BEARER, '').trim()) : null;
}

function refuse(request: FastifyRequest, reply: FastifyReply, failures: FailureLimit): FastifyReply {
  const { authorization } = request.headers;
  const waitSeconds = failures.count(request.ip);
  if (waitSeconds > 0) {
    void reply.header('retry-after', String(waitSeconds));
    return sendProblem(reply, 429, 'rate_limited', `too many wrong tokens: come back in ${waitSeconds} s`);
  }
  void reply.header(
    'www-authenticate',
    `Bearer realm="meridian"${authorization ? ', error="invalid_token"' : ''}`,
  );
  const what =
    authorization === undefined
      ? 'this needs a token'
      : 'nobody has this token, or it ran out, or it was revoked';
  return sendProblem(reply, 401, 'unauthorized', `${what}: send "Authorization: Bearer TOKEN"`);
}

/** Why a caller may not use a route; undefined where it may. */
function missingRight(
  caller: Caller,
  role: Role,
  { params, routeOptions }: FastifyRequest,
): string | undefined {
  const { zones } = caller;
  if (routeOptions.config.alsoRoles?.includes(caller.role)) return undefined;
  if (!covers(caller.role, role)) return `the role ${caller.role} may not do this; it takes ${role}`;
  if (role !== 'zones' || zones === undefined || routeOptions.config.checksZones) return undefined;
  const zone = (params as { readonly zone?: string } | undefined)?.zone;
  if (zone !== undefined && mayChange(caller, zone)) return undefined;
  return `the token ${caller.name} may change ${zones.join(', ')} only`;
}

/** Whether a caller may change a zone, given with or without its last dot. */
export function mayChange({ zones }: Caller, zone: string): boolean {
  const name = zone.toLowerCase().replace(/\.$/, '');
  return zones === undefined || zones.includes(name);
}

/** Whether a role may do what asks for another one. */
function covers(has: Role, asked: Role): boolean {
  return has === 'admin' || has === asked || (asked === 'read' && has !== 'report');
}
