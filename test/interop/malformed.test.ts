import { createSocket, type Socket } from 'node:dgram';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RCODE } from '../../src/core/dns/iana.js';
import { decodeMessage, encodeQuery } from '../../src/core/dns/message.js';
import { parseName } from '../../src/core/dns/name.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const ZONE = `zone: bad.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.bad.test }
records: { www: { type: A, value: 192.0.2.1 } }
`;

const good = (id: number) => encodeQuery({ id, name: parseName('www.bad.test.') as Uint8Array, type: 1 });

/** `good`, with bytes replaced from an offset on. */
function changed(offset: number, ...bytes: readonly number[]): Uint8Array {
  const packet = Uint8Array.from(good(7));
  packet.set(bytes, offset);
  return packet;
}

const withOpt = (rdata: readonly number[], owner: readonly number[] = [0]) =>
  Uint8Array.from([...changed(10, 0, 1), ...owner, 0, 41, 4, 208, 0, 0, 0, 0, 0, rdata.length, ...rdata]);

/** Packets that are wrong in one way each; FORMERR where the header can be read, else no answer. */
const PACKETS: readonly { what: string; packet: Uint8Array; rcode: number | null }[] = [
  { what: 'nothing at all', packet: new Uint8Array(0), rcode: null },
  { what: 'one byte', packet: Uint8Array.of(0), rcode: null },
  { what: 'eleven bytes of a header', packet: good(7).subarray(0, 11), rcode: null },
  { what: 'an answer', packet: changed(2, 0x80), rcode: null },
  {
    what: 'a header alone, with no question',
    packet: Uint8Array.of(0, 7, ...new Uint8Array(10)),
    rcode: RCODE.FORMERR,
  },
  { what: 'a header that promises a question', packet: good(7).subarray(0, 12), rcode: RCODE.FORMERR },
  { what: 'half a question', packet: good(7).subarray(0, 20), rcode: RCODE.FORMERR },
  { what: 'a question without its class', packet: good(7).subarray(0, -2), rcode: RCODE.FORMERR },
  { what: 'two questions', packet: changed(4, 0, 2), rcode: RCODE.FORMERR },
  { what: 'an answer record that is not there', packet: changed(6, 0, 1), rcode: RCODE.FORMERR },
  { what: 'an additional record that is not there', packet: changed(10, 0, 1), rcode: RCODE.FORMERR },
  { what: 'bytes behind the end', packet: Uint8Array.of(...good(7), 1, 2, 3), rcode: RCODE.FORMERR },
  { what: 'a label that is too long', packet: changed(12, 0x3f), rcode: RCODE.FORMERR },
  { what: 'a pointer to itself as the name', packet: changed(12, 0xc0, 12), rcode: RCODE.FORMERR },
  { what: 'a label type that does not exist', packet: changed(12, 0x80), rcode: RCODE.FORMERR },
  { what: 'an OPT that belongs to a name', packet: withOpt([], [1, 0x61, 0]), rcode: RCODE.FORMERR },
  { what: 'an option that is longer than its OPT', packet: withOpt([0, 3, 0, 9]), rcode: RCODE.FORMERR },
  { what: 'half an option', packet: withOpt([0, 3, 0]), rcode: RCODE.FORMERR },
  { what: 'a client subnet of no family', packet: withOpt([0, 8, 0, 4, 0, 9, 0, 0]), rcode: RCODE.FORMERR },
  {
    what: 'a client subnet with /33',
    packet: withOpt([0, 8, 0, 9, 0, 1, 33, 0, 1, 2, 3, 4, 5]),
    rcode: RCODE.FORMERR,
  },
  {
    what: 'a client subnet that is cut',
    packet: withOpt([0, 8, 0, 6, 0, 1, 24, 0, 192, 0]),
    rcode: RCODE.FORMERR,
  },
  {
    what: 'a client subnet with bits behind its prefix',
    packet: withOpt([0, 8, 0, 5, 0, 1, 1, 0, 0xff]),
    rcode: RCODE.FORMERR,
  },
];

describe.each(['batched', 'portable'])('malformed packets over UDP, with dns.io: %s', (io) => {
  let node: TestNode;
  let socket: Socket;
  const answers: Uint8Array[] = [];
  beforeAll(async () => {
    node = await startNode({ config: { dns: { io } }, zones: { 'bad.test.yaml': ZONE } });
    socket = createSocket('udp4');
    socket.on('message', (message) => answers.push(message));
    await new Promise<void>((done) => socket.connect(node.port, '127.0.0.1', done));
  });
  afterAll(async () => {
    socket.close();
    await endPrograms();
    removeFolders();
  });

  /** Sends a packet and a good query behind it: what has come when that is answered is all that comes. */
  async function exchange(packet: Uint8Array, id: number): Promise<readonly Uint8Array[]> {
    answers.length = 0;
    socket.send(packet);
    socket.send(good(id));
    await until('the answer to the good query', () => answers.some((answer) => idOf(answer) === id), 3000);
    const last = decodeMessage(answers.find((answer) => idOf(answer) === id)!);
    expect(last).toMatchObject({ rcode: RCODE.NOERROR, answers: [{ rdata: '192.0.2.1' }] });
    return answers.filter((answer) => idOf(answer) !== id);
  }

  it.each(PACKETS)('$what', async ({ packet, rcode }) => {
    const got = await exchange(packet, 1000);
    if (rcode === null) expect(got).toEqual([]);
    else {
      expect(got).toHaveLength(1);
      const [answer] = got as [Uint8Array];
      expect({ id: idOf(answer), qr: answer[2]! >> 7, rcode: answer[3]! & 15 }).toEqual({
        id: 7,
        qr: 1,
        rcode,
      });
    }
  });

  it('a thousand packets of noise end with an answer to the next query, and no fault', async () => {
    let state = 12_345;
    const noise = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return state >> 16;
    };
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 50; j++) {
        const packet = Uint8Array.from({ length: noise() % 120 }, noise);
        // Half of it gets past the header.
        if (packet.length > 12 && j % 2 === 0) packet.set([0, 1, 0, 0, 0, 0, 0, 0, 0, noise() % 3], 2);
        socket.send(packet);
      }
      await exchange(good(7), 2000 + i);
    }
    expect(await node.metric('meridian_dns_faults_total')).toBe(0);
    expect(await node.metric('meridian_worker_restarts_total')).toBe(0);
  });

  it('TCP connections that promise more than they send, or send nothing, are survived', async () => {
    const framed = (length: number, ...bytes: readonly number[]) =>
      Uint8Array.of(length >> 8, length & 255, ...bytes);
    for (const bytes of [
      framed(0),
      framed(5, 1),
      framed(65_535, 1, 2, 3),
      framed(12, ...new Uint8Array(12)),
      Uint8Array.of(0),
    ]) {
      const stream = connect(node.port, '127.0.0.1');
      stream.on('error', () => {});
      stream.end(bytes);
      await new Promise((done) => stream.resume().once('close', done));
    }
    await exchange(good(7), 3000);
    expect(await node.metric('meridian_worker_restarts_total')).toBe(0);
  });
});

function idOf(message: Uint8Array): number {
  return (message[0]! << 8) | message[1]!;
}
