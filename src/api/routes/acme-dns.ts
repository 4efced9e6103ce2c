import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ALLOW_FROM_MAX, isChallengeValue } from '../../control/acme-entry.js';
import type { AcmeService, ZoneGuard } from '../../control/acme-service.js';
import { type AcmeClient, clientOf, isIn, parseNetwork } from '../../core/acme/network.js';
import { type FindToken, mayChange } from '../auth.js';

/**
 * The API of acme-dns, as its clients use it: `POST /register`, `POST /update`. Bodies and errors are in
 * its form, not that of this API: `{"error": "forbidden"}`. Names of fields count in any case, and the type of the
 * content does not matter: clients in Go send `SubDomain`, those in Python send none.
 */
export interface AcmeDnsModules {
  readonly acme: AcmeService;
  readonly findToken: FindToken;
}

const AcmeDnsError = Type.Object({ error: Type.String({ examples: ['forbidden'] }) });
const AcmeDnsAccount = Type.Object({
  username: Type.String(),
  password: Type.String(),
  fulldomain: Type.String(),
  subdomain: Type.String(),
  allowfrom: Type.Array(Type.String()),
});

const BODY_BYTES_MAX = 16 * 1024;
/** Of one address: IPv4, or the /64 of an IPv6. */
const REGISTRATIONS_PER_MINUTE = 30;
const UPDATES_PER_MINUTE = 300;

export async function acmeDnsRoutes(app: FastifyInstance, modules: AcmeDnsModules): Promise<void> {
  const { acme, findToken } = modules;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) request.log.error({ error: error.stack ?? String(error) }, 'the acme-dns API failed');
    return sendError(reply, status, ERRORS[status] ?? (status < 500 ? 'bad_request' : 'internal'));
  });
  const client = (request: FastifyRequest) => clientOfRequest(request, acme);
  // Who has the right credentials counts alone: strangers at the same address can't lock anybody out.
  const limit = (max: number, knownAs: (request: FastifyRequest) => string | undefined) => ({
    rateLimit: {
      max,
      timeWindow: 60_000,
      keyGenerator: (request: FastifyRequest) => {
        const known = knownAs(request);
        return known === undefined ? `acme ${addressKey(client(request), request.ip)}` : `acme as ${known}`;
      },
    },
  });
  const accountOf = (request: FastifyRequest) =>
    acme.book.authenticate(header(request, 'x-api-user'), header(request, 'x-api-key'));
  const tokenName = (request: FastifyRequest) => {
    const token = presentedToken(header(request, 'authorization'));
    return token === undefined ? undefined : findToken(token)?.name;
  };

  const errors = { '4xx': AcmeDnsError, '5xx': AcmeDnsError };

  const register = {
    tags: ['acme'],
    summary: 'Makes an account, as acme-dns does.',
    description:
      'Body: nothing, or `{"allowfrom": ["192.0.2.0/24"]}`. A token of the role `zones` goes with it, as bearer token or as password of basic authentication, unless `acme.register_from` names the client.',
    response: { 201: AcmeDnsAccount, ...errors },
  };
  const registering = {
    schema: register,
    bodyLimit: BODY_BYTES_MAX,
    config: limit(REGISTRATIONS_PER_MINUTE, tokenName),
  };
  app.post('/register', registering, async (request, reply) => {
    const who = registrar(request, client(request), acme, findToken);
    if (who === undefined) {
      acme.book.refused('registration');
      reply.header('www-authenticate', 'Basic realm="acme-dns"');
      return sendError(reply, 401, 'forbidden');
    }
    const allowFrom = allowFromOf(request.body);
    if (typeof allowFrom === 'string') return sendError(reply, 400, allowFrom);
    const { name: by, guard } = who;
    const made = await acme.register({ allowFrom, note: `by ${by} through /register` }, guard);
    if ('code' in made) {
      if (made.code !== 'full' && made.code !== 'not_saved') acme.book.refused('registration');
      request.log.warn({ ...made, from: request.ip }, 'an ACME account was refused');
      if (made.code === 'forbidden_zone') return sendError(reply, 401, 'forbidden');
      if (made.code === 'not_saved') return sendError(reply, 500, made.code);
      return sendError(reply, 409, made.code === 'full' ? 'too_many_accounts' : made.code);
    }
    const { username, subdomain, name } = made.account;
    request.auditFacts = { username, name, by };
    request.log.info({ username, name, by, from: request.ip }, 'ACME account made');
    return sendJson(
      reply,
      201,
      JSON.stringify({
        username,
        password: made.password,
        fulldomain: name.slice(0, -1),
        subdomain,
        allowfrom: allowFrom,
      }),
    );
  });

  const update = {
    tags: ['acme'],
    summary: "Gives an account's name a value, as acme-dns does.",
    description:
      'Headers: `X-Api-User`, `X-Api-Key`. Body: `{"subdomain": "…", "txt": "43 characters of base64url"}`. The two newest values are answered, each until it expires.',
    response: { 200: Type.Object({ txt: Type.String() }), ...errors },
  };
  const updating = {
    schema: update,
    bodyLimit: BODY_BYTES_MAX,
    config: limit(UPDATES_PER_MINUTE, (request) => accountOf(request)?.username),
  };
  app.post('/update', updating, async (request, reply) => {
    const account = accountOf(request);
    const body = parseObject(request.body) ?? {};
    const allowed = account && isAllowedFrom(account.allow_from, client(request));
    if (!account || !allowed || field(body, 'subdomain') !== account.subdomain) {
      acme.book.refused('update');
      const why = !account ? 'credentials' : allowed ? 'subdomain' : 'address';
      request.log.warn({ why, username: account?.username, from: request.ip }, 'an ACME update was refused');
      return sendError(reply, 401, 'forbidden');
    }
    const txt = field(body, 'txt');
    if (!isChallengeValue(txt)) {
      acme.book.refused('value');
      return sendError(reply, 400, 'bad_txt');
    }
    const { username, name } = account;
    request.auditFacts = { username, name };
    const outcome = await acme.update(account, txt);
    if (outcome === 'limited') return sendError(reply, 429, 'rate_limited');
    if (outcome === 'not_saved') return sendError(reply, 500, 'db_error');
    request.log.info({ username, name, from: request.ip }, 'ACME challenge set');
    return sendJson(reply, 200, `{"txt": "${txt}"}`);
  });
}

const ERRORS: Readonly<Record<number, string>> = { 413: 'too_large', 429: 'rate_limited' };

/** As acme-dns writes it, a space and all, and no charset: some clients look for the text. */
function sendError(reply: FastifyReply, status: number, error: string): FastifyReply {
  return sendJson(reply, status, `{"error": "${error}"}`);
}

function sendJson(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply
    .code(status)
    .header('content-type', 'application/json')
    .header('cache-control', 'no-store')
    .send(Buffer.from(text));
}

function clientOfRequest(request: FastifyRequest, acme: AcmeService): AcmeClient {
  return clientOf(request.ip, header(request, 'x-forwarded-for'), acme.settings.proxies);
}

/** Whoever has a whole /64 is one client. */
function addressKey({ address }: AcmeClient, peer: string): string {
  if (!address) return peer;
  return Buffer.from(address.length === 4 ? address : address.subarray(0, 8)).toString('hex');
}

interface Registrar {
  readonly name: string;
  readonly guard: ZoneGuard;
}

/** Who registers; undefined for somebody who may not. */
function registrar(
  request: FastifyRequest,
  { address, isUnclear }: AcmeClient,
  acme: AcmeService,
  findToken: FindToken,
): Registrar | undefined {
  const token = presentedToken(header(request, 'authorization'));
  const caller = token === undefined ? null : findToken(token);
  if (caller && (caller.role === 'zones' || caller.role === 'admin')) {
    return { name: `token ${caller.name}`, guard: (zone) => mayChange(caller, zone) };
  }
  if (!address || isUnclear || token !== undefined) return undefined;
  return isIn(address, acme.settings.registerFrom) ? { name: 'address', guard: () => true } : undefined;
}

/** A bearer token, or the password of basic authentication (RFC 7617): clients can be given that in the URL. */
function presentedToken(authorization: string): string | undefined {
  const [, scheme = '', credentials = ''] = /^(\w+) +(\S+)\s*$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return credentials;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const text = Buffer.from(credentials, 'base64').toString('utf8');
  return text.includes(':') ? text.slice(text.indexOf(':') + 1) : undefined;
}

/** Without networks an account may be used from anywhere. */
function isAllowedFrom(allowFrom: readonly string[], { address, isUnclear }: AcmeClient): boolean {
  if (allowFrom.length === 0) return true;
  if (!address || isUnclear) return false;
  return isIn(
    address,
    allowFrom.flatMap((text) => parseNetwork(text) ?? []),
  );
}

/** The networks of a registration, or the error that acme-dns gives. */
function allowFromOf(body: unknown): readonly string[] | string {
  if (body === undefined || body === null || body === '') return [];
  const value = parseObject(body);
  if (!value) return 'malformed_json_payload';
  const list = field(value, 'allowfrom') ?? [];
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string'))
    return 'malformed_json_payload';
  const networks = list.map((text) => text.replace(/[[\]]/g, ''));
  const isValid = networks.length <= ALLOW_FROM_MAX && networks.every((text) => parseNetwork(text));
  return isValid ? networks : 'invalid_allowfrom_cidr';
}

/** The object in a JSON text; `null` is an empty one, as it is for Go. */
function parseObject(body: unknown): object | undefined {
  if (typeof body !== 'string') return undefined;
  try {
    const value: unknown = JSON.parse(body);
    if (value === null) return {};
    return typeof value === 'object' && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A member by its name, in any case. */
function field(value: object, name: string): unknown {
  return Object.entries(value).findLast(([key]) => key.toLowerCase() === name)?.[1];
}

function header(request: FastifyRequest, name: string): string {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
