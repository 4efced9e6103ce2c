import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientSessionOptions,
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { COUNTER } from '../../../src/core/answer/counters.js';
import { DohService } from '../../../src/dataplane/doh.js';
import { until } from '../../support/tier-rig.js';

const POST = { ':method': 'POST', ':path': '/q', 'content-type': 'application/dns-message' };
const QUERY = Buffer.alloc(20, 1);
const ANSWER_BYTES = 1000;
const BODIES_MAX = 4096;

describe('DohService', () => {
  const cleanup: (() => void)[] = [];
  afterEach(() => {
    for (const end of cleanup.splice(0).reverse()) end();
  });

  async function start(
    { maxQueries = 100, writeQueueMax = 10_000 } = {},
    settings: ClientSessionOptions = {},
  ) {
    const counters = new Float64Array(COUNTER.SIZE);
    const told = { asked: 0, slow: 0 };
    const service = new DohService(
      (_input, _start, _end, output, base) => {
        output.fill(0, base, base + ANSWER_BYTES);
        return ANSWER_BYTES;
      },
      { path: '/q', maxQueries, writeQueueMax },
      { counters, door: { asked: () => void told.asked++, tooSlow: () => void told.slow++ } },
      0,
    );
    const server = createServer({ settings: { maxConcurrentStreams: 10_000 } }, (request, response) =>
      service.handle(request, response),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup.push(() => server.close());
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, settings);
    client.on('error', () => {});
    cleanup.push(() => client.destroy());
    await once(client, 'remoteSettings');
    return { service, client, told, counters };
  }

  /** An upload of which only the head was sent. */
  const begin = (client: ClientHttp2Session) =>
    client.request(POST, { endStream: false }).on('error', () => {});
  const status = async (stream: ReturnType<typeof begin>) => {
    stream.resume();
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
    return headers[':status'];
  };

  it('says 408 to a body that does not come in five seconds, and to none that is younger', async () => {
    const { service, client, told } = await start();
    const old = begin(client);
    await until(() => service.bodies === 1);
    service.tick(4000);
    const young = begin(client);
    await until(() => service.bodies === 2);
    service.tick(4999);
    expect(service.bodies).toBe(2);
    service.tick(5000);
    expect([await status(old), service.bodies, told.asked]).toEqual([408, 1, 0]);
    young.end(QUERY);
    expect([await status(young), service.bodies, told.asked]).toEqual([200, 0, 1]);
  });

  it('forgets a body whose client gave up', async () => {
    const { service, client } = await start();
    const uploads = Array.from({ length: 50 }, () => begin(client));
    await until(() => service.bodies === 50);
    for (const upload of uploads.slice(10)) upload.close(constants.NGHTTP2_CANCEL);
    await until(() => service.bodies === 10);
    client.destroy();
    await until(() => service.bodies === 0);
  });

  it(`takes ${BODIES_MAX} bodies at once, and says 503 to more`, async () => {
    const { service, client } = await start();
    for (let i = 0; i < BODIES_MAX; i++) begin(client);
    await until(() => service.bodies === BODIES_MAX);
    expect(await status(begin(client))).toBe(503);
    expect(service.bodies).toBe(BODIES_MAX);
  });

  it('asks to close a connection once more than the limit waits for its reader', async () => {
    // The client takes no byte of any body.
    const { client, told } = await start(
      { writeQueueMax: 5 * ANSWER_BYTES },
      { settings: { initialWindowSize: 0 } },
    );
    for (let i = 1; i <= 6; i++) {
      const stream = begin(client);
      stream.end(QUERY);
      await once(stream, 'response');
      expect([told.asked, told.slow]).toEqual([i, i > 5 ? 1 : 0]);
    }
  });

  it('does not count what was read or given up', async () => {
    const { client, told } = await start({ writeQueueMax: 2 * ANSWER_BYTES });
    for (let i = 0; i < 20; i++) {
      const stream = begin(client);
      const ended = once(stream.resume(), 'close');
      stream.end(QUERY);
      await ended;
    }
    expect(told).toEqual({ asked: 20, slow: 0 });
  });

  it('ends a connection after so many requests, wrong ones too, with the answers to all of them', async () => {
    const { client, told, counters } = await start({ maxQueries: 3 });
    const closed = once(client, 'close');
    const answers = [];
    for (const path of ['/q', '/wrong', '/q']) {
      const stream = client.request({ ...POST, ':path': path }).on('error', () => {});
      stream.end(QUERY);
      answers.push(await status(stream));
    }
    await closed;
    expect([answers, told.asked, counters[COUNTER.DOH_REFUSED]]).toEqual([[200, 404, 200], 2, 1]);
  });
});
