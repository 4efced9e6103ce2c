import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { typeName, typeNumber } from '../../core/dns/iana.js';
import type { ClientSubnet } from '../../core/dns/message.js';
import { formatName, isNameError, parseName } from '../../core/dns/name.js';
import { formatAddress, parseIPv4, parseIPv6 } from '../../core/dns/rdata/address.js';
import { sendProblem } from '../problem.js';
import type { ApiModules } from '../server.js';

const ExplainedRecord = Type.Object({
  name: Type.String(),
  type: Type.String(),
  ttl: Type.Integer(),
  rdata: Type.String(),
});

const Explanation = Type.Object({
  name: Type.String(),
  type: Type.String(),
  client: Type.String(),
  location: Type.Object({
    continent: Type.Optional(Type.String()),
    country: Type.Optional(Type.String()),
    subdivision: Type.Optional(Type.String()),
    asn: Type.Optional(Type.Integer()),
  }),
  rcode: Type.String(),
  authoritative: Type.Boolean(),
  ttl: Type.Optional(Type.Integer({ description: 'The smallest of the answer.' })),
  scope: Type.Optional(Type.Integer({ description: 'ECS scope prefix length of the answer (RFC 7871).' })),
  answers: Type.Array(ExplainedRecord),
  authorities: Type.Array(ExplainedRecord),
  steps: Type.Array(
    Type.Object({ step: Type.String(), text: Type.String() }, { additionalProperties: true }),
  ),
});

const DEFAULT_TYPE = 'A';

const Query = Type.Object(
  {
    name: Type.String({ maxLength: 1024, examples: ['www.demo.test'] }),
    type: Type.Optional(Type.String({ maxLength: 16, default: DEFAULT_TYPE, examples: ['A', 'AAAA'] })),
    subnet: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'Client prefix or address, as in ECS.',
        examples: ['192.0.2.0/24'],
      }),
    ),
  },
  { additionalProperties: false },
);

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

export const explainRoutes: FastifyPluginAsyncTypebox<ApiModules> = async (app, { control }) => {
  const schema = {
    tags: ['answers'],
    summary: 'The answer that a client gets now, and every step that leads to it.',
    security: [{ token: [] }],
    querystring: Query,
    response: { 200: Explanation, '4xx': Type.Ref('Problem') },
  };
  app.get('/v1/explain', { schema, config: { role: 'read' } }, (request, reply) => {
    const { name: nameText, type: typeText = DEFAULT_TYPE, subnet: subnetText } = request.query;
    const name = parseName(nameText.endsWith('.') ? nameText : `${nameText}.`);
    if (isNameError(name)) return sendProblem(reply, 400, 'invalid_name', `name: ${name.message}`);
    const type = typeNumber(typeText);
    if (type === undefined) {
      return sendProblem(
        reply,
        400,
        'invalid_type',
        `type: ${typeText} is no RR type; use A, AAAA, … or TYPE123`,
      );
    }
    const subnet = subnetText === undefined ? undefined : parseSubnet(subnetText);
    if (subnet === null) {
      return sendProblem(
        reply,
        400,
        'invalid_subnet',
        'subnet: want an IP address, or a prefix such as 192.0.2.0/24',
      );
    }
    const seed = Math.floor(Math.random() * 0xffff_ffff);
    const result = control.explain({ name, type, source: LOOPBACK, seed, ...(subnet && { subnet }) });
    const client = subnet ? formatAddress(subnet.address) : formatAddress(LOOPBACK);
    const { continent, country, subdivision, asn } = control.locate(client)?.location ?? {};
    const location = { continent, country, subdivision, asn };
    const ttls = result.answers.map(({ ttl }) => ttl);
    return {
      name: formatName(name),
      type: typeName(type),
      client: subnet ? `${client}/${subnet.sourcePrefix}` : client,
      location: JSON.parse(JSON.stringify(location)) as object,
      rcode: result.rcode,
      authoritative: result.authoritative,
      ...(ttls.length > 0 && { ttl: Math.min(...ttls) }),
      ...(result.scope !== undefined && { scope: result.scope }),
      answers: [...result.answers],
      authorities: [...result.authorities],
      steps: [...result.steps],
    };
  });
};

/** `192.0.2.0/24`, or an address, which stands for all of itself; null if it is neither. */
function parseSubnet(text: string): ClientSubnet | null {
  const [host = '', length, ...rest] = text.split('/');
  const address = parseIPv4(host) ?? parseIPv6(host);
  if (!address || rest.length > 0) return null;
  if (length === undefined) return { address, sourcePrefix: address.length * 8 };
  if (!/^\d{1,3}$/.test(length) || Number(length) > address.length * 8) return null;
  return { address, sourcePrefix: Number(length) };
}
