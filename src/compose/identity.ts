import { randomBytes } from 'node:crypto';
import { createCookieKeys, type Identity, setCookieKeys, txtRdata } from '../core/answer/identity.js';
import { readCookieSecrets, watchCookieSecrets } from '../sources/cookie-secrets.js';
import type { ServerConfig } from '../sources/server-config.js';
import { formatProblem } from '../sources/yaml-document.js';
import type { StartProblem } from './dns-node.js';
import type { Log } from './log.js';
import { VERSION } from './version.js';

const SECRET_BYTES = 16;

/** What a node tells of itself. The cookie secrets are read, and watched until `close`. */
export interface OpenIdentity {
  readonly identity: Identity;
  close(): void;
}

/** Reads the cookie secrets, where a file is named; one that is broken at the start is a problem, later it is ignored. */
export async function openIdentity({ dns }: ServerConfig, log: Log): Promise<OpenIdentity | StartProblem> {
  const { nsid, id, version = `Meridian ${VERSION}` } = dns.identity;
  const cookieKeys = createCookieKeys();
  const identity: Identity = { nsid: bytes(nsid), version: txt(version), id: txt(id), cookieKeys };
  const file = dns.cookieSecrets;
  if (file === null) return { identity, close() {} };
  if (file === undefined) {
    setCookieKeys(cookieKeys, [randomBytes(SECRET_BYTES)]);
    return { identity, close() {} };
  }
  const read = await readCookieSecrets(file);
  if ('problems' in read) {
    return { code: 'cookies', message: read.problems.map(formatProblem).join('\n'), setting: 'cookies' };
  }
  setCookieKeys(cookieKeys, read.secrets);
  const watch = watchCookieSecrets(file, (changed) => {
    if ('problems' in changed) {
      const problems = changed.problems.map(formatProblem);
      log.error({ problems }, 'cookie secrets refused; the earlier ones stay in use');
      return;
    }
    setCookieKeys(cookieKeys, changed.secrets);
    log.info({ secrets: changed.secrets.length }, 'cookie secrets read again');
  });
  return { identity, close: () => watch.close() };
}

function bytes(text: string | null): Uint8Array {
  return text === null ? new Uint8Array(0) : Buffer.from(text, 'latin1');
}

function txt(text: string | null): Uint8Array {
  return text === null ? new Uint8Array(0) : txtRdata(bytes(text));
}
