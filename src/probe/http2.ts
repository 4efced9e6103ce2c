import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import type { HttpCheck } from '../core/zone/check.js';
import { type AttemptOptions, attempt, type Outcome, type ProbeResult } from './attempt.js';
import { BodyJudge, describeMiss } from './body-match.js';
import { judgeStatus } from './http-exchange.js';
import { authorityOf, requestFields } from './http-request.js';
import { type Http2Modules, withHttp2 } from './http2-session.js';

/** As `probeHttps`, over HTTP/2; with `tls: false` in the clear, by prior knowledge. */
export function probeHttp2(
  host: string,
  check: HttpCheck,
  options: AttemptOptions,
  modules: Http2Modules,
): Promise<ProbeResult> {
  const target = { ...check, host, tls: check.tls !== false, name: check.host };
  return attempt(options, (outcome) =>
    withHttp2(target, modules, outcome, (session) => ask(session, host, check, outcome)),
  );
}

function ask(session: ClientHttp2Session, host: string, check: HttpCheck, outcome: Outcome): void {
  const stream = session.request(headersOf(host, check), { endStream: true });
  let judge: BodyJudge | undefined;
  let detail = '';
  const judged = (by: BodyJudge): void => {
    const ok = by.ok();
    outcome.settle(ok, ok ? `${detail}, body as wanted` : describeMiss(check.body!));
  };
  stream.on('response', (headers) => {
    const status = judgeStatus(Number(headers[':status'] ?? 0), check.status);
    detail = status.detail;
    if (!status.ok || !check.body) return outcome.settle(status.ok, status.detail);
    judge = new BodyJudge(check.body);
  });
  stream.on('data', (chunk: Buffer) => {
    if (judge?.push(chunk)) judged(judge);
  });
  stream.on('end', () => judge && judged(judge));
  stream.on('error', (error) => outcome.fail(error));
  stream.on('close', () => outcome.settle(false, 'stream closed without a response'));
}

function headersOf(host: string, check: HttpCheck): OutgoingHttpHeaders {
  const fields = requestFields(check).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    ':method': check.method,
    ':path': check.path,
    ':scheme': check.tls === false ? 'http' : 'https',
    ':authority': check.host ?? authorityOf(host, check),
    ...Object.fromEntries(fields),
  };
}
