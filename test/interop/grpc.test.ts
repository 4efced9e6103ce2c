import {
  Client,
  type ClientReadableStream,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import {
  endHttp2,
  type Http2Rig,
  type Http2Setup,
  http2Backend,
  startHttp2,
} from '../integration/http2-rig.js';
import { endAll, waitFor } from '../integration/proxy-rig.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
  await endHttp2();
  await endAll();
});

const bytes = (text: Buffer): Buffer => text;
const wire = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes };

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return { path: `/test.Echo/${name}`, requestStream, responseStream, ...wire, responseDeserialize: bytes };
}

const ECHO = {
  unary: method('Unary', false, false),
  fail: method('Fail', false, false),
  slow: method('Slow', false, false),
  count: method('Count', false, true),
  break: method('Break', false, true),
  join: method('Join', true, false),
  chat: method('Chat', true, true),
};

interface Seen {
  readonly cancelled: string[];
  readonly calls: string[];
}

const unary: handleUnaryCall<Buffer, Buffer> = (call, callback) => {
  const trailer = new Metadata();
  trailer.set('x-tail', 'tail');
  call.sendMetadata(Metadata.fromHttp2Headers({ 'x-head': String(call.metadata.get('x-in')[0] ?? '') }));
  callback(null, Buffer.concat([Buffer.from('re:'), call.request]), trailer);
};

const fail: handleUnaryCall<Buffer, Buffer> = (_call, callback) => {
  const metadata = new Metadata();
  metadata.set('x-why', 'because');
  callback({ code: status.FAILED_PRECONDITION, details: 'not ready: 100 % é', metadata });
};

const count: handleServerStreamingCall<Buffer, Buffer> = (call) => {
  const n = Number(call.request.toString());
  const next = (i: number): void => {
    if (i === n) call.end();
    else call.write(Buffer.from(String(i)), () => next(i + 1));
  };
  next(0);
};

const join: handleClientStreamingCall<Buffer, Buffer> = (call, callback) => {
  const parts: Buffer[] = [];
  call.on('data', (part: Buffer) => parts.push(part));
  call.on('end', () => callback(null, Buffer.concat(parts)));
};

const chat: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
  call.on('data', (part: Buffer) => call.write(part));
  call.on('end', () => call.end());
};

async function grpcServer(seen: Seen): Promise<number> {
  const server = new Server();
  const slow: handleUnaryCall<Buffer, Buffer> = (call) => {
    seen.calls.push('slow');
    call.on('cancelled', () => seen.cancelled.push('slow'));
  };
  const broken: handleServerStreamingCall<Buffer, Buffer> = (call) => {
    call.write(Buffer.from('one'), () => setTimeout(() => server.forceShutdown(), 30));
  };
  server.addService(ECHO, { unary, fail, slow, count, break: broken, join, chat });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  cleanups.push(() => server.forceShutdown());
  return port;
}

class Echo {
  readonly #client: Client;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    cleanups.push(() => this.#client.close());
  }

  unary(
    name: 'unary' | 'fail' | 'slow',
    text: string,
    options: { readonly deadlineMs?: number } = {},
  ): Promise<{ error: ServiceError | null; text: string; head: Metadata | null; tail: Metadata | null }> {
    return new Promise((resolve) => {
      let head: Metadata | null = null;
      let tail: Metadata | null = null;
      const metadata = new Metadata();
      metadata.set('x-in', 'in');
      const deadline = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
      const call = this.#client.makeUnaryRequest(
        ECHO[name].path,
        bytes,
        bytes,
        Buffer.from(text),
        metadata,
        deadline,
        (error, value) => setImmediate(() => resolve({ error, text: value?.toString() ?? '', head, tail })),
      );
      call.on('metadata', (value) => {
        head = value;
      });
      call.on('status', ({ metadata: value }) => {
        tail = value;
      });
    });
  }

  stream(name: 'count' | 'break', text: string): ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(ECHO[name].path, bytes, bytes, Buffer.from(text));
  }

  join(parts: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeClientStreamRequest(ECHO.join.path, bytes, bytes, (error, value) =>
        error ? reject(error) : resolve(String(value)),
      );
      for (const part of parts) call.write(Buffer.from(part));
      call.end();
    });
  }

  chat() {
    return this.#client.makeBidiStreamRequest(ECHO.chat.path, bytes, bytes);
  }
}

async function gathered(
  call: ClientReadableStream<Buffer>,
): Promise<{ parts: string[]; code: number; text: string }> {
  const parts: string[] = [];
  call.on('data', (part: Buffer) => parts.push(part.toString()));
  call.on('error', () => {});
  return new Promise((resolve) =>
    call.on('status', ({ code, details }) => resolve({ parts, code, text: details })),
  );
}

async function rigWith(setup: Partial<Http2Setup> = {}): Promise<{ rig: Http2Rig; echo: Echo; seen: Seen }> {
  const seen: Seen = { cancelled: [], calls: [] };
  const ports = setup.ports ?? [await grpcServer(seen)];
  const rig = await startHttp2({ protocol: 'grpc', ...setup, ports });
  return { rig, echo: new Echo(rig.port), seen };
}

describe('gRPC through the proxy', () => {
  it('carries unary calls with metadata both ways', async () => {
    const { echo, rig } = await rigWith();
    const { error, text, head, tail } = await echo.unary('unary', 'hello');
    expect(error).toBeNull();
    expect(text).toBe('re:hello');
    expect(head?.get('x-head')).toEqual(['in']);
    expect(tail?.get('x-tail')).toEqual(['tail']);
    await waitFor(() => rig.records.length === 1, 'the record');
    expect(rig.records[0]).toMatchObject({ path: '/test.Echo/Unary', grpcStatus: 0, end: 'complete' });
  });

  it('carries errors with their text and metadata', async () => {
    const { echo } = await rigWith();
    const { error, tail } = await echo.unary('fail', '');
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'not ready: 100 % é' });
    expect(tail?.get('x-why')).toEqual(['because']);
  });

  it('carries an unknown method as the server says it: trailers only', async () => {
    const { rig } = await rigWith();
    const client = new Client(`127.0.0.1:${rig.port}`, credentials.createInsecure());
    cleanups.push(() => client.close());
    const error = await new Promise<ServiceError | null>((resolve) =>
      client.makeUnaryRequest('/test.Echo/None', bytes, bytes, Buffer.from(''), (e) => resolve(e)),
    );
    expect(error?.code).toBe(status.UNIMPLEMENTED);
  });

  it('carries server streams, client streams and both at once', async () => {
    const { echo } = await rigWith();
    const { parts, code } = await gathered(echo.stream('count', '200'));
    expect(code).toBe(status.OK);
    expect(parts).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
    expect(await echo.join(['a', 'b', 'c'.repeat(100_000)])).toBe(`ab${'c'.repeat(100_000)}`);
    const chat = echo.chat();
    const heard: string[] = [];
    const done = new Promise<number>((resolve) => chat.on('status', ({ code: end }) => resolve(end)));
    chat.on('data', (part: Buffer) => {
      heard.push(part.toString());
      // Each message is sent only when the one before came back: nothing waits for the end of the stream.
      if (heard.length === 5) chat.end();
      else chat.write(Buffer.from(String(heard.length)));
    });
    chat.write(Buffer.from('0'));
    expect(await done).toBe(status.OK);
    expect(heard).toEqual(['0', '1', '2', '3', '4']);
  });

  it('carries deadlines: the server sees the cancel', async () => {
    const { echo, seen } = await rigWith();
    const { error } = await echo.unary('slow', '', { deadlineMs: 150 });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    await waitFor(() => seen.cancelled.length === 1, 'the cancel');
  });
});

describe('what a gRPC client is told by the proxy', () => {
  it.each<[string, Partial<Http2Setup>, number, RegExp]>([
    ['no connection', { ports: [1] }, status.UNAVAILABLE, /no connection to an endpoint of pool web/],
    ['too late', { timeouts: { responseMs: 100 } }, status.DEADLINE_EXCEEDED, /did not answer in time/],
  ])('%s', async (_name, setup, code, text) => {
    const { echo } = await rigWith(setup);
    const { error } = await echo.unary('slow', '');
    expect(error?.code).toBe(code);
    expect(error?.details).toMatch(text);
  });

  it('no room: RESOURCE_EXHAUSTED', async () => {
    const one = await http2Backend(() => {}, { settings: { maxConcurrentStreams: 1 } });
    const { echo, rig } = await rigWith({ ports: [one], limits: { upstreamConnections: 1 } });
    const first = echo.unary('unary', '', { deadlineMs: 1000 });
    await waitFor(() => rig.pool.endpoints[0]!.spare === 0 && rig.pool.activeOf(0) === 1, 'the first call');
    const { error } = await echo.unary('unary', '');
    expect(error?.code).toBe(status.RESOURCE_EXHAUSTED);
    expect((await first).error?.code).toBe(status.DEADLINE_EXCEEDED);
  });

  it('no route: UNIMPLEMENTED', async () => {
    const { rig } = await rigWith();
    const client = new Client(`127.0.0.1:${rig.port}`, credentials.createInsecure());
    cleanups.push(() => client.close());
    const error = await new Promise<ServiceError | null>((resolve) =>
      client.makeUnaryRequest('/nowhere/None', bytes, bytes, Buffer.from(''), (e) => resolve(e)),
    );
    expect(error).toMatchObject({ code: status.UNIMPLEMENTED, details: 'no route takes this host and path' });
  });

  it('a server that dies in a stream: UNAVAILABLE, after what was sent', async () => {
    const { echo } = await rigWith();
    const { parts, code } = await gathered(echo.stream('break', ''));
    expect(parts).toEqual(['one']);
    expect([status.UNAVAILABLE, status.CANCELLED, status.INTERNAL]).toContain(code);
  });
});
