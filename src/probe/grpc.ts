import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import type { GrpcCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type Outcome, type ProbeResult } from './attempt.js';
import { decodeHealthCheck, encodeHealthCheck, GRPC_REPLY_BYTES_MAX } from './grpc-health.js';
import { authorityOf } from './http-request.js';
import { type Http2Modules, withHttp2 } from './http2-session.js';

const CODES: Readonly<Record<string, string>> = {
  '4': 'DEADLINE_EXCEEDED',
  '5': 'NOT_FOUND: the service is not known there',
  '7': 'PERMISSION_DENIED',
  '12': 'UNIMPLEMENTED: the server has no health service',
  '14': 'UNAVAILABLE',
  '16': 'UNAUTHENTICATED',
};

/** Up when `grpc.health.v1.Health/Check` says SERVING, over TLS or in the clear. */
export function probeGrpc(
  host: string,
  check: GrpcCheck,
  options: AttemptOptions,
  modules: Http2Modules,
): Promise<ProbeResult> {
  return attempt(options, (outcome) =>
    withHttp2({ ...check, host, name: check.host }, modules, outcome, (session) =>
      ask(session, host, { check, timeoutMs: options.timeoutMs, outcome }),
    ),
  );
}

function ask(
  session: ClientHttp2Session,
  host: string,
  { check, timeoutMs, outcome }: { check: GrpcCheck; timeoutMs: number; outcome: Outcome },
): void {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':scheme': check.tls ? 'https' : 'http',
    ':authority': check.host ?? authorityOf(host, { type: 'http2', port: check.port, tls: check.tls }),
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-timeout': `${timeoutMs}m`,
    'user-agent': 'meridian-probe',
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  // A failure without a message comes with the only headers, else the status is in the trailers.
  let status: string | undefined;
  stream.on('response', (headers) => {
    if (headers[':status'] !== 200) return outcome.settle(false, `status ${headers[':status']}, want 200`);
    if (!String(headers['content-type']).startsWith('application/grpc')) {
      return outcome.settle(false, 'the response is not of gRPC');
    }
    status = grpcStatus(headers);
  });
  stream.on('trailers', (trailers) => (status = grpcStatus(trailers) ?? status));
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > GRPC_REPLY_BYTES_MAX) outcome.settle(false, 'the response is too large');
    else chunks.push(chunk);
  });
  stream.on('end', () => judge(status, Buffer.concat(chunks), outcome));
  stream.on('error', (error) => outcome.fail(error));
  stream.on('close', () => outcome.settle(false, 'stream closed without a response'));
  stream.end(encodeHealthCheck(check.service));
}

function judge(status: string | undefined, message: Buffer, outcome: Outcome): void {
  if (status !== '0') {
    const text = status === undefined ? 'missing' : (CODES[status] ?? status.slice(0, 8));
    return outcome.settle(false, `gRPC status ${text}`);
  }
  const serving = decodeHealthCheck(message);
  outcome.settle(serving === 'SERVING', serving ?? 'not a valid gRPC message');
}

function grpcStatus(headers: IncomingHttpHeaders): string | undefined {
  const value = headers['grpc-status'];
  return typeof value === 'string' ? value : undefined;
}
