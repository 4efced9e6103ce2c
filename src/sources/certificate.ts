import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { watchFiles } from './watch-files.js';

/** Paths of PEM files: the certificate with its chain, and its private key. */
export interface CertificatePaths {
  readonly cert: string;
  readonly key: string;
}

/** PEM texts that belong together. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Files are looked at so often; it works on every file system, and however a file is replaced. */
const POLL_MS = 1000;
const PEM_BYTES_MAX = 1024 * 1024;

/** Reads and checks a pair of files: both are PEM, and the key is the certificate's. */
export async function readCertificate(
  paths: CertificatePaths,
): Promise<Certificate | { readonly problem: string }> {
  try {
    const [cert, key] = await Promise.all([readFile(paths.cert, 'utf8'), readFile(paths.key, 'utf8')]);
    if (cert.length > PEM_BYTES_MAX || key.length > PEM_BYTES_MAX) {
      return { problem: `${paths.cert} and ${paths.key}: at most ${PEM_BYTES_MAX} bytes each are allowed` };
    }
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      return { problem: `${paths.key} is not the private key of ${paths.cert}` };
    }
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { problem: `cannot use ${paths.cert} and ${paths.key}: ${code ?? message}` };
  }
}

/** Tells of each later state of the files, good or not, until it is closed. */
export function watchCertificate(
  paths: CertificatePaths,
  onRead: (result: Certificate | { readonly problem: string }) => void,
  pollMs: number = POLL_MS,
): { close(): void } {
  let closed = false;
  const changed = (): void => {
    void readCertificate(paths).then((result) => {
      if (!closed) onRead(result);
    });
  };
  const watch = watchFiles([paths.cert, paths.key], changed, pollMs);
  return {
    close() {
      closed = true;
      watch.close();
    },
  };
}
