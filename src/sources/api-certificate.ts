import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { type Certificate, readCertificate } from './certificate.js';
import { watchFiles } from './watch-files.js';

export interface ApiCertificatePaths {
  readonly cert: string;
  readonly key: string;
  /** Authorities of clients. */
  readonly clientCa?: string;
}

/** PEM texts that belong together. */
export interface ApiCertificate extends Certificate {
  readonly ca?: string;
}

const POLL_MS = 1000;
const PEM_BYTES_MAX = 1024 * 1024;

/** Reads and checks the files together: the key is the certificate's, and the authorities are certificates. */
export async function readApiCertificate(
  paths: ApiCertificatePaths,
): Promise<ApiCertificate | { readonly problem: string }> {
  const pair = await readCertificate(paths);
  if ('problem' in pair || paths.clientCa === undefined) return pair;
  const fail = (why: string) => ({ problem: `cannot use ${paths.clientCa}: ${why}` });
  try {
    const ca = await readFile(paths.clientCa, 'utf8');
    if (ca.length > PEM_BYTES_MAX) return fail(`at most ${PEM_BYTES_MAX} bytes are allowed`);
    // The first one at least must be one: a context takes any text for a list of none.
    new X509Certificate(ca);
    createSecureContext({ ...pair, ca });
    return { ...pair, ca };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return fail(code ?? message);
  }
}

/** Tells of each later state of the files, good or not, until it is closed. */
export function watchApiCertificate(
  paths: ApiCertificatePaths,
  onRead: (result: ApiCertificate | { readonly problem: string }) => void,
  pollMs: number = POLL_MS,
): { close(): void } {
  let closed = false;
  const changed = (): void => {
    void readApiCertificate(paths).then((result) => {
      if (!closed) onRead(result);
    });
  };
  const watch = watchFiles(
    [paths.cert, paths.key, ...(paths.clientCa === undefined ? [] : [paths.clientCa])],
    changed,
    pollMs,
  );
  return {
    close() {
      closed = true;
      watch.close();
    },
  };
}
