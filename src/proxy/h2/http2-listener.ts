import type { ListenerModel } from '../../core/balance/model.js';
import type { HttpContext } from '../l7/context.js';
import type { ListenFailure } from '../listening.js';
import type { Serve, ServedListener } from '../proxy-listener.js';
import type { PoolTlsOptions } from '../tls.js';
import { type StreamRecord, streamContext } from './context.js';
import { Http2Front } from './front.js';
import { Http1Client } from './http1-client.js';
import { ProtocolChoice } from './protocol-choice.js';
import { Upstreams } from './upstreams.js';

/** Which listeners a thread serves: HTTP/2 needs node's event loop, which threads of the batched tier don't run. */
export type ServedKinds = 'all' | 'without_http2' | 'http2';

export function speaksHttp2(listener: ListenerModel): boolean {
  return listener.protocol === 'http' && listener.http2 === true;
}

export function isServed(kinds: ServedKinds, listener: ListenerModel): boolean {
  return kinds === 'all' || speaksHttp2(listener) === (kinds === 'http2');
}

/**
 * A listener that speaks both versions of HTTP. `make` makes it of the function that serves its connections; `serveIn`
 * makes what serves those of HTTP/1.1. `poolTls`: how a pool wants TLS now; null for none.
 */
export function http2Listener(
  context: HttpContext,
  serveIn: (context: HttpContext) => Serve,
  poolTls: (pool: string) => PoolTlsOptions | null,
  make: (serve: Serve) => ServedListener,
): ServedListener {
  const { deadlines, timeouts } = context;
  const upstreams = new Upstreams(context, poolTls);
  const streams = streamContext(context, upstreams, (record) => logStream(context, record));
  const front = new Http2Front(streams);
  const tls = context.proto === 'https';
  const http1 = serveIn({
    ...context,
    translate: (client, onDone) => new Http1Client(client, { streams, tls, onDone }),
  });
  const listener = make((connection, onClosed, facts) => {
    const modules = { front, deadlines, headerMs: timeouts.headerMs, facts, http1 };
    return new ProtocolChoice(connection, modules, onClosed);
  });
  return {
    counters: listener.counters,
    get port(): number {
      return listener.port;
    },
    start: (key): Promise<ListenFailure | null> => listener.start(key),
    drain(onDrained) {
      listener.drain(() => {
        upstreams.close();
        onDrained();
      });
    },
    destroy() {
      listener.destroy();
      front.destroy();
      upstreams.close();
    },
  };
}

function logStream({ access, counters, deadlines }: HttpContext, record: StreamRecord): void {
  const status = record.end === 'complete' || record.end === 'answered' ? (record.status ?? 0) : 0;
  if (access === null || !access.takes(status, deadlines.nowMs)) return;
  const entry = access.begin(counters.listener, record.client, record.tls);
  entry.protocol = record.protocol;
  entry.method = record.method;
  entry.host = record.host ?? '';
  entry.path = record.path;
  entry.status = record.status ?? 0;
  entry.bytesIn = record.bytesIn;
  entry.bytesOut = record.bytesOut;
  entry.durationMs = record.durationMs;
  entry.upstreamMs = record.upstreamMs;
  entry.pool = record.pool ?? '';
  entry.endpoint = record.endpoint ?? '';
  entry.retries = Math.max(record.attempts - 1, 0);
  entry.reason = record.reason;
  access.write();
}
