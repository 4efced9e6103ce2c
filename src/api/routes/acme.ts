import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import {
  type AcmeEntry,
  AcmeEntrySchema,
  ALLOW_FROM_MAX,
  NOTE_LENGTH_MAX,
} from '../../control/acme-entry.js';
import type { AcmeService, NameMistake } from '../../control/acme-service.js';
import { parseNetwork } from '../../core/acme/network.js';
import { type Caller, mayChange } from '../auth.js';
import { linkNext, PAGE_ANSWER, PAGE_QUERY, pageOf } from '../page.js';
import { sendProblem } from '../problem.js';

const AccountSchema = Type.Object({
  username: Type.String(),
  fulldomain: Type.String({ description: 'The name whose TXT record it sets, as acme-dns calls it.' }),
  subdomain: Type.String(),
  allowfrom: Type.Array(Type.String(), { description: 'Networks that may update it; empty for all.' }),
  note: Type.String(),
  created: Type.String(),
  values: Type.Array(Type.Object({ txt: Type.String(), set: Type.String(), expires: Type.String() }), {
    description: 'What is answered now, newest first.',
  }),
});

const NewAccountSchema = Type.Object({
  username: Type.String(),
  password: Type.String({ description: 'Shown once.' }),
  fulldomain: Type.String(),
  subdomain: Type.String(),
  allowfrom: Type.Array(Type.String()),
});

const NewAccountBody = Type.Object(
  {
    domain: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description:
          'The name that is to get a certificate, or `*.` and a name: its challenges are answered at `_acme-challenge.` below it, without a CNAME. Without it the account gets a name below `acme.domain`.',
        examples: ['www.gslb.example.com'],
      }),
    ),
    allow_from: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), { maxItems: ALLOW_FROM_MAX, examples: [['192.0.2.0/24']] }),
    ),
    note: Type.Optional(Type.String({ maxLength: NOTE_LENGTH_MAX })),
  },
  { additionalProperties: false },
);

const UsernameParams = Type.Object(
  {
    username: Type.String({
      minLength: 1,
      maxLength: 64,
      examples: ['5d6f0e7c-3a51-4d1b-9a54-0c2a6f1f6f5b'],
    }),
  },
  { additionalProperties: false },
);

/** Accounts in one message between nodes. */
const SYNC_ENTRIES_MAX = 200;
const SYNC_BYTES_MAX = 2 * 1024 * 1024;

const SyncBody = Type.Object(
  {
    node: Type.String({ minLength: 1, maxLength: 63, examples: ['dns-2'] }),
    accounts: Type.Array(AcmeEntrySchema, { maxItems: SYNC_ENTRIES_MAX }),
  },
  { additionalProperties: false },
);

const security = [{ token: [] }];
const problems = { '4xx': Type.Ref('Problem'), '5xx': Type.Ref('Problem') };

/** ACME accounts for those who look after zones, and for the other DNS nodes. */
export const acmeRoutes: FastifyPluginAsyncTypebox<{ readonly acme: AcmeService }> = async (
  app,
  { acme },
) => {
  const { book } = acme;

  const health = { tags: ['acme'], summary: 'The API of acme-dns is there.' };
  app.get('/health', { schema: health }, (_request, reply) => reply.code(200).send());

  const list = {
    tags: ['acme'],
    summary: 'The accounts whose clients may set ACME challenges.',
    security,
    querystring: Type.Object(
      {
        ...PAGE_QUERY,
        below: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 1010,
            description: 'Only names at or below this one.',
            examples: ['gslb.example.com'],
          }),
        ),
      },
      { additionalProperties: false },
    ),
    response: { 200: Type.Object({ accounts: Type.Array(AccountSchema), ...PAGE_ANSWER }), ...problems },
  };
  app.get('/v1/acme/accounts', { schema: list, config: { role: 'read' } }, (request, reply) => {
    const below = request.query.below?.toLowerCase().replace(/\.?$/, '.');
    const fits = ({ name }: AcmeEntry) => below === undefined || `.${name}`.endsWith(`.${below}`);
    const page = pageOf(book.list().filter(fits), ({ username }) => username, request.query);
    if (!page) return sendProblem(reply, 400, 'invalid_cursor', 'cursor: is not of this list');
    linkNext(request, reply, page.next);
    const { items, total, next } = page;
    return { accounts: items.map(shown), total, ...(next !== undefined && { next }) };
  });

  const make = {
    tags: ['acme'],
    summary: 'Makes an account, for a name in a zone of this server or for one below `acme.domain`.',
    description: 'The answer is what clients of acme-dns keep: store it where they look for it.',
    security,
    body: NewAccountBody,
    response: { 201: NewAccountSchema, ...problems },
  };
  const making = { schema: make, config: { role: 'zones' as const, checksZones: true, secret: true } };
  app.post('/v1/acme/accounts', making, async (request, reply) => {
    const { domain, allow_from: allowFrom = [], note = '' } = request.body;
    const wrong = allowFrom.find((text) => !parseNetwork(text));
    if (wrong !== undefined) {
      const detail = `allow_from: ${wrong} is no network such as 192.0.2.0/24 or 2001:db8::/32`;
      return sendProblem(reply, 400, 'invalid_request', detail);
    }
    const certified = domain === undefined ? {} : { certified: domain };
    const guard = (zone: string) => mayChange(request.caller as Caller, zone);
    const made = await acme.register({ ...certified, allowFrom, note }, guard);
    if ('code' in made) return refuse(reply, made);
    const { username, subdomain, name } = made.account;
    request.auditFacts = { username, name };
    request.log.info({ username, name, by: request.caller?.name }, 'ACME account made');
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .send({
        username,
        password: made.password,
        fulldomain: name.slice(0, -1),
        subdomain,
        allowfrom: [...allowFrom],
      });
  });

  const remove = {
    tags: ['acme'],
    summary: 'Ends an account: its client may set nothing more, and its values are gone.',
    security,
    params: UsernameParams,
    response: { 204: Type.Null(), ...problems },
  };
  app.delete(
    '/v1/acme/accounts/:username',
    { schema: remove, config: { role: 'zones', checksZones: true } },
    async (request, reply) => {
      const { username } = request.params;
      const account = book.get(username);
      if (!account) return sendProblem(reply, 404, 'not_found', `there is no ACME account ${username}`);
      const zone = acme.zoneOf(account.name);
      const caller = request.caller as Caller;
      // What is in no zone any more is for those who may change all.
      if (zone === undefined ? caller.zones !== undefined : !mayChange(caller, zone)) {
        return sendProblem(reply, 403, 'forbidden', `the token may not change what is at ${account.name}`);
      }
      request.auditFacts = { username, name: account.name };
      if ((await acme.remove(account)) === 'not_saved') return refuse(reply, { code: 'not_saved' });
      request.log.info({ username, by: request.caller?.name }, 'ACME account ended');
      return reply.code(204).send(null);
    },
  );

  const sync = {
    tags: ['acme'],
    summary: 'Takes accounts and values from another DNS node.',
    security,
    body: SyncBody,
    response: {
      200: Type.Object({
        epoch: Type.Integer({ description: 'Start of this node, milliseconds since 1970.' }),
      }),
      ...problems,
    },
  };
  const syncing = { schema: sync, config: { role: 'report' as const }, bodyLimit: SYNC_BYTES_MAX };
  app.post('/v1/acme/sync', syncing, async ({ body, caller }, reply) => {
    const { peers, epoch } = acme.settings;
    // Whoever could set values could get certificates: a proxy's token must not.
    if (!peers.includes(body.node) || (caller?.node !== undefined && caller.node !== body.node)) {
      const detail = `${body.node} is no node of report_to here, or the token is another's`;
      return sendProblem(reply, 403, 'forbidden', detail);
    }
    if (await book.merge(body.accounts)) return { epoch };
    return sendProblem(reply, 503, 'not_saved', 'the state folder did not take the accounts: see the log');
  });
};

function shown({ username, name, subdomain, allow_from, note, created, values }: AcmeEntry) {
  return {
    username,
    fulldomain: name.slice(0, -1),
    subdomain,
    allowfrom: [...allow_from],
    note,
    created: new Date(created).toISOString(),
    values: values.map(({ txt, set, expires }) => ({
      txt,
      set: new Date(set).toISOString(),
      expires: new Date(expires).toISOString(),
    })),
  };
}

function refuse(
  reply: FastifyReply,
  made: NameMistake | { readonly code: 'full' | 'taken' | 'not_saved' },
): FastifyReply {
  switch (made.code) {
    case 'bad_name':
      return sendProblem(reply, 400, 'invalid_name', `domain: ${made.message}`);
    case 'no_domain':
      return sendProblem(reply, 409, 'unsupported', made.message);
    case 'not_served':
    case 'not_answered':
      return sendProblem(reply, 409, made.code, made.message);
    case 'forbidden_zone':
      return sendProblem(reply, 403, 'forbidden', made.message);
    case 'taken':
      return sendProblem(reply, 409, 'name_taken', 'the name has an account already: end that one first');
    case 'full': {
      const detail = 'there are as many accounts as acme.max_accounts allows';
      return sendProblem(reply, 409, 'limit_reached', detail);
    }
    case 'not_saved':
      return sendProblem(reply, 503, 'not_saved', 'the state folder did not take the change: see the log');
    default: {
      const never: never = made;
      return never;
    }
  }
}
