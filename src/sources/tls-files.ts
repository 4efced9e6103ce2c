import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { ProxyModel } from '../core/balance/model.js';
import type { CertificateFiles, ListenerTls, PoolTls } from '../core/balance/tls-model.js';
import type { Certificate, ServerTlsOptions } from '../io/network.js';

/** What a listener's files hold; ticket keys are in no file. */
export type ListenerTlsTexts = Omit<ServerTlsOptions, 'ticketKeys'>;

export interface PoolTlsTexts {
  readonly verify: boolean;
  readonly ca: string | null;
  readonly serverName: string | null;
  readonly certificate: Certificate | null;
}

/** A mistake in a file, and the key of `proxy.yaml` that names the file. */
export interface TlsMistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export interface TlsTexts {
  /** In the order of the listeners; null for those without TLS. */
  readonly listeners: readonly (ListenerTlsTexts | null)[];
  /** By name; pools without TLS are absent. */
  readonly pools: Readonly<Record<string, PoolTlsTexts>>;
  /** Not wrong, but soon or already out of date. */
  readonly warnings: readonly TlsMistake[];
}

const PEM_BYTES_MAX = 1024 * 1024;
const DAY_MS = 24 * 3_600_000;
/** A certificate that ends so soon should have been renewed. */
const WARN_DAYS = 14;

/** Reads and checks every file that the configuration names. All mistakes are told at once. */
export async function readTlsFiles(
  { listeners, pools }: Pick<ProxyModel, 'listeners' | 'pools'>,
  nowMs: number,
): Promise<TlsTexts | { readonly mistakes: readonly TlsMistake[] }> {
  const reader = new Reader(nowMs);
  const ofListeners = await Promise.all(
    listeners.map(({ tls }, i) => (tls ? reader.listener(tls, ['listeners', i, 'tls']) : null)),
  );
  const ofPools = await Promise.all(
    pools.flatMap(({ name, tls }) => {
      if (tls === undefined) return [];
      return [reader.pool(tls, ['pools', name, 'tls']).then((texts) => [name, texts] as const)];
    }),
  );
  const { mistakes, warnings } = reader;
  if (mistakes.length > 0) return { mistakes };
  return { listeners: ofListeners, pools: Object.fromEntries(ofPools), warnings };
}

/** Every file that the configuration names, to be watched. */
export function tlsFilesOf({
  listeners,
  pools,
}: Pick<ProxyModel, 'listeners' | 'pools'>): ReadonlySet<string> {
  const files = new Set<string>();
  const add = (...names: readonly (string | null)[]): void => {
    for (const name of names) if (name !== null) files.add(name);
  };
  for (const { tls } of listeners) {
    if (tls) add(tls.clientCa, ...tls.certificates.flatMap(({ cert, key }) => [cert, key]));
  }
  for (const { tls } of pools) {
    if (tls) add(tls.ca, tls.certificate?.cert ?? null, tls.certificate?.key ?? null);
  }
  return files;
}

type Path = TlsMistake['path'];

class Reader {
  readonly mistakes: TlsMistake[] = [];
  readonly warnings: TlsMistake[] = [];
  readonly #nowMs: number;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  async listener(tls: ListenerTls, path: Path): Promise<ListenerTlsTexts> {
    const { alpn, minVersion, clientCa, clientCertificates } = tls;
    const certificates = await Promise.all(
      tls.certificates.map((files, i) => this.#pair(files, [...path, 'certificates', i])),
    );
    const ca = clientCa === null ? null : await this.#authorities(clientCa, [...path, 'client_ca']);
    const required = clientCertificates === 'required';
    return { certificates, alpn, minVersion, clientCa: ca === null ? null : { ca, required } };
  }

  async pool(tls: PoolTls, path: Path): Promise<PoolTlsTexts> {
    const { verify, serverName, certificate } = tls;
    return {
      verify,
      serverName,
      ca: tls.ca === null ? null : await this.#authorities(tls.ca, [...path, 'ca']),
      certificate: certificate === null ? null : await this.#pair(certificate, [...path, 'certificate']),
    };
  }

  async #pair(files: CertificateFiles, path: Path): Promise<Certificate> {
    const [cert, key] = await Promise.all([
      this.#text(files.cert, [...path, 'cert']),
      this.#text(files.key, [...path, 'key']),
    ]);
    if (cert === null || key === null) return { cert: '', key: '' };
    const certificate = parsed(() => new X509Certificate(cert));
    const secret = parsed(() => createPrivateKey(key));
    if (certificate === null)
      this.#wrong([...path, 'cert'], `${files.cert} is not a certificate in PEM form`);
    else this.#checkDates(certificate, files.cert, [...path, 'cert']);
    if (secret === null) {
      this.#wrong([...path, 'key'], `${files.key} is not a private key in PEM form without a passphrase`);
    }
    if (certificate === null || secret === null) return { cert, key };
    if (!certificate.checkPrivateKey(secret)) {
      this.#wrong([...path, 'key'], `${files.key} is not the private key of ${files.cert}`);
    } else {
      try {
        createSecureContext({ cert, key });
      } catch (error) {
        this.#wrong([...path, 'cert'], `${files.cert} is refused: ${reasonOf(error)}`);
      }
    }
    return { cert, key };
  }

  async #authorities(file: string, path: Path): Promise<string> {
    const text = await this.#text(file, path);
    if (text === null) return '';
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
    const good = blocks.every((block) => parsed(() => new X509Certificate(block)) !== null);
    if (blocks.length === 0 || !good) this.#wrong(path, `${file} does not hold certificates in PEM form`);
    return text;
  }

  async #text(file: string, path: Path): Promise<string | null> {
    try {
      const text = await readFile(file, 'utf8');
      if (text.length <= PEM_BYTES_MAX) return text;
      this.#wrong(path, `${file} is larger than ${PEM_BYTES_MAX} bytes`);
    } catch (error) {
      this.#wrong(path, `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'failed'}`);
    }
    return null;
  }

  #checkDates({ validFrom, validTo }: X509Certificate, file: string, path: Path): void {
    const leftMs = Date.parse(validTo) - this.#nowMs;
    const warn = (message: string) => this.warnings.push({ path, message: `${file} ${message}` });
    if (leftMs <= 0) warn(`expired on ${validTo}`);
    else if (leftMs < WARN_DAYS * DAY_MS) warn(`expires on ${validTo}`);
    if (Date.parse(validFrom) > this.#nowMs) warn(`is not valid before ${validFrom}`);
  }

  #wrong(path: Path, message: string): void {
    this.mistakes.push({ path, message });
  }
}

function parsed<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** OpenSSL's reason, which has no secrets in it. */
function reasonOf(error: unknown): string {
  const { reason, message } = error as { reason?: string; message: string };
  return reason ?? message;
}
