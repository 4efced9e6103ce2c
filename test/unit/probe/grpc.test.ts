import { createServer, type ServerHttp2Stream } from 'node:http2';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { GrpcCheck } from '../../../src/core/zone/check.js';
import { decodeHealthCheck, encodeHealthCheck } from '../../../src/probe/grpc-health.js';
import { ask, closePeers, listen } from '../../support/peers.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('the messages of grpc.health.v1', () => {
  it.each([
    ['', '0000000000'],
    ['db', '00 00000004 0a 02 6462'],
    ['ü', '00 00000004 0a 02 c3bc'],
    ['a'.repeat(200), `00 000000cb 0a c801 ${'61'.repeat(200)}`],
  ])('asks for the service %j', (service, expected) => {
    expect(hex(encodeHealthCheck(service))).toBe(expected.replaceAll(' ', ''));
  });

  it.each<[string, string | undefined]>([
    ['00 00000000', 'UNKNOWN'],
    ['00 00000002 0801', 'SERVING'],
    ['00 00000002 0802', 'NOT_SERVING'],
    ['00 00000002 0803', 'SERVICE_UNKNOWN'],
    ['00 00000002 0809', 'UNKNOWN'],
    ['00 00000004 0802 0801', 'SERVING'],
    ['00 00000009 1202 6162 1001 0801 30', undefined],
    ['00 00000008 1202 6162 1001 0801', 'SERVING'],
    ['00 00000007 1d 01020304 0801', 'SERVING'],
    ['00 0000000b 11 0102030405060708 0801', 'SERVING'],
    ['', undefined],
    ['00 000000', undefined],
    ['01 00000002 0801', undefined],
    ['00 00000003 0801', undefined],
    ['00 00000001 0801', undefined],
    ['00 00000001 08', undefined],
    ['00 00000003 0a ff 01', undefined],
    ['00 00000002 0b 00', undefined],
    ['00 0000000b 08 ffffffffffffffffffff', undefined],
  ])('reads %s as %s', (reply, status) => {
    expect(decodeHealthCheck(bytes(reply))).toBe(status);
  });

  it('never throws, and says SERVING only where the status is 1', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (body) => {
        const framed = Uint8Array.from([0, 0, 0, 0, body.length, ...body]);
        const status = decodeHealthCheck(framed);
        if (status === 'SERVING' && !body.includes(1)) throw new Error('SERVING out of nothing');
      }),
    );
  });
});

describe('a grpc probe', () => {
  afterEach(closePeers);

  const CHECK: GrpcCheck = { type: 'grpc', port: 0, service: 'db', tls: false, verify: true };

  async function askGrpc(answer: (stream: ServerHttp2Stream, body: Buffer) => void) {
    const server = createServer();
    const heard: unknown[] = [];
    server.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('error', () => {});
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const body = Buffer.concat(chunks);
        heard.push(headers[':method'], headers[':path'], headers['content-type'], headers['te'], hex(body));
        answer(stream, body);
      });
    });
    const { port } = await listen(server as never);
    return { ...(await ask({ ...CHECK, port })), heard };
  }

  function reply(stream: ServerHttp2Stream, message: string, grpcStatus: string | undefined): void {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers(grpcStatus === undefined ? { other: '1' } : { 'grpc-status': grpcStatus }),
    );
    stream.end(bytes(message));
  }

  it('is up when the service is serving', async () => {
    const result = await askGrpc((stream) => reply(stream, '00 00000002 0801', '0'));
    expect(result).toMatchObject({ ok: true, detail: 'SERVING' });
    expect(result.heard).toEqual([
      'POST',
      '/grpc.health.v1.Health/Check',
      'application/grpc',
      'trailers',
      '00000000040a026462',
    ]);
  });

  it.each<[string, string, string | undefined, string]>([
    ['is not serving', '00 00000002 0802', '0', 'NOT_SERVING'],
    ['has no status', '00 00000000', '0', 'UNKNOWN'],
    ['says nonsense', 'ff', '0', 'not a valid gRPC message'],
    ['says serving, and then fails', '00 00000002 0801', '14', 'gRPC status UNAVAILABLE'],
    ['forgets its status', '00 00000002 0801', undefined, 'gRPC status missing'],
    ['says too much', '00'.repeat(5000), '0', 'the response is too large'],
  ])('is down when the service %s', async (_, message, status, detail) => {
    expect(await askGrpc((stream) => reply(stream, message, status))).toMatchObject({ ok: false, detail });
  });

  it.each<[string, Record<string, string | number>, string]>([
    [
      'has no such service',
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5' },
      'NOT_FOUND',
    ],
    [
      'has no health service',
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' },
      'UNIMPLEMENTED',
    ],
    [
      'is another kind of server',
      { ':status': 200, 'content-type': 'text/html' },
      'the response is not of gRPC',
    ],
    ['is a proxy without it', { ':status': 502, 'content-type': 'text/html' }, 'status 502, want 200'],
  ])('is down when the server %s', async (_, headers, detail) => {
    const result = await askGrpc((stream) => stream.respond(headers, { endStream: true }));
    expect(result.ok).toBe(false);
    expect(result.detail).toContain(detail);
  });
});
