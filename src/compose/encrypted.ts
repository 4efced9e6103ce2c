import type { WorkerPool } from '../dataplane/pool.js';
import type { EncryptedOptions } from '../dataplane/protocol.js';
import type { SocketAddress } from '../io/tier.js';
import { type Certificate, readCertificate, watchCertificate } from '../sources/certificate.js';
import type { SecureListenConfig, ServerConfig } from '../sources/server-config.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';

/** What of DNS over TLS and HTTPS the configuration asks for, with its certificates. */
export interface EncryptedListening {
  /** Absent where neither is asked for. */
  readonly options: EncryptedOptions | undefined;
  /** Changes of certificate files since the start. */
  readonly reloads: { readonly applied: number; readonly refused: number };
  /** Follows the certificate files until it is closed. A broken pair is refused, and the one in use stays. */
  watch(pool: WorkerPool, log: Log): { close(): void };
}

type Claim = (
  wanted: readonly SocketAddress[],
) => Promise<{ readonly addresses: readonly SocketAddress[] } | StartProblem>;

/** Reads the certificates and claims the addresses. */
export async function openEncrypted(
  { dns }: ServerConfig,
  claim: Claim,
): Promise<EncryptedListening | StartProblem> {
  const dot = dns.tls && (await open('dns.tls', dns.tls, claim));
  if (dot && 'code' in dot) return dot;
  const doh = dns.https && (await open('dns.https', dns.https, claim));
  if (doh && 'code' in doh) return doh;
  const reloads = { applied: 0, refused: 0 };
  const options =
    dot || doh
      ? { ...(dot && { dot }), ...(doh && dns.https && { doh: { ...doh, path: dns.https.path } }) }
      : undefined;
  return {
    options,
    reloads,
    watch(pool, log) {
      const follow = (of: 'dot' | 'doh', paths: SecureListenConfig | undefined) =>
        paths &&
        watchCertificate(paths, (result) => {
          if ('problem' in result) {
            reloads.refused++;
            log.error({ problem: result.problem }, 'certificate refused; the one in use stays');
            return;
          }
          reloads.applied++;
          pool.useCredentials(of, result);
          log.info({ cert: paths.cert }, 'certificate changed');
        });
      const watches = [follow('dot', dns.tls), follow('doh', dns.https)];
      return {
        close() {
          for (const watch of watches) watch?.close();
        },
      };
    },
  };
}

interface Opened {
  readonly listen: readonly SocketAddress[];
  readonly credentials: Certificate;
}

async function open(
  setting: string,
  config: SecureListenConfig,
  claim: Claim,
): Promise<Opened | StartProblem> {
  const credentials = await readCertificate(config);
  if ('problem' in credentials) return { code: 'certificate', message: credentials.problem, setting };
  const claimed = await claim(config.listen);
  if ('code' in claimed) return { ...claimed, setting };
  return { listen: claimed.addresses, credentials };
}
