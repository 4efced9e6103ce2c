import { readFile } from 'node:fs/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import { CommandError, EXIT } from './exit.js';

export interface ApiRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long it may take; ten seconds where absent. */
  readonly timeoutMs?: number;
}

/** Paths of PEM files: authorities besides those of the system, and the client's certificate with its key. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface Exchange {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** Sends a request and reads the whole answer. Throws CommandError where the server can't be reached. */
export async function exchange(request: ApiRequest, files: TlsFiles): Promise<Exchange> {
  const tls = request.url.protocol === 'https:' ? await readTls(files) : {};
  try {
    return await send(request, tls);
  } catch (error) {
    throw new CommandError(unreachable(request.url, error), EXIT.UNREACHABLE);
  }
}

/** Sends a request and hands over the answer as it arrives, for streams. Throws as `exchange` does. */
export async function openAnswer(request: ApiRequest, files: TlsFiles): Promise<IncomingMessage> {
  const tls = request.url.protocol === 'https:' ? await readTls(files) : {};
  try {
    return await start(request, tls, undefined);
  } catch (error) {
    throw new CommandError(unreachable(request.url, error), EXIT.UNREACHABLE);
  }
}

async function readTls({ ca, cert, key }: TlsFiles): Promise<SecureContextOptions> {
  const read = async (option: string, file: string | undefined) => {
    if (file === undefined) return undefined;
    try {
      return await readFile(file, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new CommandError(`--${option}: cannot read ${file}: ${code}`, EXIT.USAGE);
    }
  };
  if ((cert === undefined) !== (key === undefined)) {
    throw new CommandError('--cert and --key go together: name both', EXIT.USAGE);
  }
  const [caText, certText, keyText] = [
    await read('ca', ca),
    await read('cert', cert),
    await read('key', key),
  ];
  return {
    ...(caText !== undefined && { ca: caText }),
    ...(certText !== undefined && { cert: certText }),
    ...(keyText !== undefined && { key: keyText }),
  };
}

async function send(request: ApiRequest, tls: SecureContextOptions): Promise<Exchange> {
  const answer = await start(request, tls, AbortSignal.timeout(request.timeoutMs ?? TIMEOUT_MS));
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    size += (chunk as Buffer).length;
    if (size > ANSWER_BYTES_MAX) throw new Error(`its answer is larger than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: answer.statusCode ?? 0, headers: answer.headers, text };
}

function start(
  { url, method, headers, body }: ApiRequest,
  tls: SecureContextOptions,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false as const, ...(signal && { signal }) };
    const sent =
      url.protocol === 'https:'
        ? requestHttps(url, { ...options, ...tls }, resolve)
        : requestHttp(url, options, resolve);
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Why, and what to do next. */
function unreachable({ origin, protocol }: URL, error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const why = code !== '' && !message.includes(code) ? `${message} (${code})` : message || code;
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code)) {
    return `${origin} has a certificate of an unknown authority: name its PEM file with --ca`;
  }
  if (
    /ALERT_CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|CERTIFICATE_UNKNOWN|ALERT_UNKNOWN_CA/i.test(
      `${code} ${message}`,
    )
  ) {
    return `${origin} asks for a certificate of the client: --cert and --key (${why})`;
  }
  const hint =
    protocol === 'http:' && /ECONNRESET|hang up|Parse Error/.test(why) ? ' Does it speak https?' : '';
  return `cannot reach ${origin}: ${why}; is the server running? (--api)${hint}`;
}
