import { afterEach, describe, expect, it } from 'vitest';
import { DEFAULT_BREAKER } from '../../src/core/limit/breaker.js';
import { DEFAULT_RETRIES, type RetryModel } from '../../src/core/limit/retry.js';
import { POOL_CELL } from '../../src/proxy/cells.js';
import { until } from '../support/until.js';
import { ask, endHttp2, http2Backend, http2Client, startHttp2 } from './http2-rig.js';
import { backend, endAll, httpBackend, ok } from './proxy-rig.js';

const RETRIES: RetryModel = { ...DEFAULT_RETRIES, baseMs: 1, maxMs: 2 };

afterEach(async () => {
  await endHttp2();
  await endAll();
});

/** One endpoint of HTTP/2 that fails, and one that says what body it got. */
function http2Ports(status: number): Promise<number[]> {
  return Promise.all([
    http2Backend((stream) => {
      stream.resume();
      stream.respond({ ':status': status }, { endStream: true });
    }),
    http2Backend((stream) => {
      let body = '';
      stream.on('data', (chunk) => {
        body += String(chunk);
      });
      stream.on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end(`well ${body}`);
      });
    }),
  ]);
}

const CALL = { ':method': 'POST', ':path': '/shop.Cart/Add', 'content-type': 'application/grpc' };
const GRPC_HEAD = { ':status': 200, 'content-type': 'application/grpc' };

/** An endpoint that ends each call with the next of these statuses: before any message, or after one. */
function grpcBackend(statuses: readonly number[], { message = false, fields = {} } = {}): Promise<number> {
  let calls = 0;
  return http2Backend((stream) => {
    stream.resume();
    const status = String(statuses[Math.min(calls++, statuses.length - 1)]);
    if (!message)
      return stream.respond({ ...GRPC_HEAD, ...fields, 'grpc-status': status }, { endStream: true });
    stream.respond(GRPC_HEAD, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
    stream.end('message');
  });
}

describe('the status of a gRPC call', () => {
  const retries = { ...RETRIES, methods: ['POST'] };

  it.each([
    ['unavailable', 14, {}, '0'],
    ['deadline exceeded', 4, {}, '0'],
    ['not found', 5, {}, '5'],
    ['unavailable, and wants no retry', 14, { 'grpc-retry-pushback-ms': '-1' }, '14'],
  ])('is looked at for retries: %s', async (_, status, fields, seen) => {
    const ports = [await grpcBackend([status], { fields }), await grpcBackend([0])];
    const rig = await startHttp2({ ports, protocol: 'h2c', pool: { balance: 'first', retries } });
    const answer = await ask(http2Client(rig.port), CALL, 'x');
    expect([answer.status, answer.headers['grpc-status']]).toEqual([200, seen]);
    expect([rig.pool.activeOf(0), rig.pool.activeOf(1), rig.pool.retries.active]).toEqual([0, 0, 0]);
  });

  it('opens a breaker when it comes with the head, or with the trailers before a message; not after one', async () => {
    const breaker = { ...DEFAULT_BREAKER, consecutive: 2 };
    const openings = async (port: number): Promise<readonly unknown[]> => {
      const rig = await startHttp2({ ports: [port], protocol: 'h2c', pool: { breaker } });
      const session = http2Client(rig.port);
      for (let i = 0; i < 2; i++) await ask(session, CALL, 'x');
      await until('the calls to be over', () => rig.pool.activeOf(0) === 0);
      return [rig.pool.endpoints[0]!.breaker, rig.pool.tally.cells[POOL_CELL.ERRORS]];
    };
    expect(await openings(await grpcBackend([14]))).toEqual(['open', 2]);
    expect(await openings(await grpcBackend([13], { message: true }))).toEqual(['closed', 2]);
    expect(await openings(await grpcBackend([5]))).toEqual(['closed', 0]);
    const late = await http2Backend((stream) => {
      stream.resume();
      stream.respond(GRPC_HEAD, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '14' }));
      stream.end();
    });
    expect(await openings(late)).toEqual(['open', 2]);
  });
});

describe('retries of HTTP/2 requests', () => {
  it.each([
    ['h2c', 503],
    ['h1', 503],
  ] as const)('throw the failure of an endpoint of %s away', async (protocol, status) => {
    const http1 = async (): Promise<number[]> => [
      await httpBackend(() => `HTTP/1.1 ${status} Busy\r\nContent-Length: 2\r\n\r\nno`),
      await httpBackend(() => ok('well ')),
    ];
    const ports = protocol === 'h1' ? await http1() : await http2Ports(status);
    const rig = await startHttp2({ ports, protocol, pool: { balance: 'first', retries: RETRIES } });
    const session = http2Client(rig.port);
    expect(await ask(session, {})).toMatchObject({ status: 200, body: 'well ', complete: true });
    expect(await ask(session, { ':method': 'POST' }, 'x')).toMatchObject({ status });
    expect(rig.pool.tally.cells[POOL_CELL.RETRIED]).toBe(1);
    expect([rig.pool.activeOf(0), rig.pool.activeOf(1), rig.pool.retries.active]).toEqual([0, 0, 0]);
  });

  it('send a body once more', async () => {
    const ports = await http2Ports(502);
    const rig = await startHttp2({ ports, protocol: 'h2c', pool: { balance: 'first', retries: RETRIES } });
    const answer = await ask(http2Client(rig.port), { ':method': 'PUT' }, 'abc');
    expect(answer).toMatchObject({ status: 200, body: 'well abc' });
  });

  it.each([
    ['closes', () => backend((socket) => void socket.on('data', () => socket.destroy()))],
    ['is silent', () => backend(() => {})],
    ['refuses connections', async () => 1],
  ])('ask another endpoint where the first %s', async (_, first) => {
    const ports = [await first(), await httpBackend(() => ok('well'))];
    const retries = { ...RETRIES, tryMs: 100 };
    const rig = await startHttp2({ ports, pool: { balance: 'first', retries } });
    expect(await ask(http2Client(rig.port), {})).toMatchObject({ status: 200, body: 'well' });
  });

  it('end with Retry-After where all breakers are open', async () => {
    const port = await httpBackend(() => 'HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n');
    const breaker = { ...DEFAULT_BREAKER, consecutive: 1, jitter: 0 };
    const rig = await startHttp2({ ports: [port], pool: { breaker } });
    const session = http2Client(rig.port);
    expect((await ask(session, {})).status).toBe(500);
    expect(await ask(session, {})).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
  });
});
