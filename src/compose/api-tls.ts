import { Server, type ServerOptions } from 'node:https';
import type { EventBus } from '../control/event-bus.js';
import { type ApiCertificate, readApiCertificate, watchApiCertificate } from '../sources/api-certificate.js';
import type { ApiTlsConfig } from '../sources/server-config.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';

/** TLS of the admin API: the options of its server, and what follows the files. */
export interface ApiTls {
  readonly options: ServerOptions;
  /** New handshakes get what the files say, until it is closed. Broken files are refused; what is in use stays. */
  follow(server: object, events: EventBus, log: Log): { close(): void };
}

const HANDSHAKE_MS_MAX = 5000;

export async function openApiTls(config: ApiTlsConfig): Promise<ApiTls | StartProblem> {
  const read = await readApiCertificate(config);
  if ('problem' in read) return { code: 'certificate', message: read.problem, setting: 'api_tls' };
  return {
    options: { ...contextOf(read), handshakeTimeout: HANDSHAKE_MS_MAX },
    follow(server, events, log) {
      return watchApiCertificate(config, (result) => {
        if ('problem' in result) {
          log.error({ problem: result.problem }, 'certificate of the API refused; the one in use stays');
          events.publish({ type: 'certificate.refused', data: { problem: result.problem } });
          return;
        }
        if (server instanceof Server) server.setSecureContext(contextOf(result));
        log.info({ cert: config.cert }, 'certificate of the API changed');
        events.publish({ type: 'certificate.loaded', data: { cert: config.cert } });
      });
    },
  };
}

function contextOf({ cert, key, ca }: ApiCertificate): ServerOptions {
  const clients = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  return { cert, key, minVersion: 'TLSv1.2', ...clients };
}
