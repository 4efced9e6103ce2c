import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folder.js';
import { freePorts } from './ports.js';
import { startProgram } from './process.js';

/** Pebble, the ACME server for tests of Let's Encrypt, whose questions go to a DNS server on loopback. */
export interface AcmeAuthority {
  /** The directory of RFC 8555 §7.1.1. */
  readonly directory: string;
  /** The certificate that its own TLS is to be trusted by. */
  readonly trust: string;
}

/** Starts one. Needs `pebble` and `openssl`. */
export async function startAuthority(dnsPort: number): Promise<AcmeAuthority> {
  const folder = temporaryFolder();
  mkdirSync(folder, { recursive: true });
  const [certificate, privateKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost';
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', [...request.split(' '), ...names, '-keyout', privateKey, '-out', certificate], {
    stdio: 'ignore',
  });
  const [port, management, httpPort, tlsPort] = await freePorts(4);
  const config = {
    pebble: {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate,
      privateKey,
      httpPort,
      tlsPort,
      ocspResponderURL: '',
      externalAccountBindingRequired: false,
    },
  };
  const file = join(folder, 'pebble.json');
  writeFileSync(file, JSON.stringify(config));
  // No waiting before it validates, no refused nonces, and nothing taken from an earlier validation.
  const env = { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_AUTHZREUSE: '0' };
  const args = ['-config', file, '-dnsserver', `127.0.0.1:${dnsPort}`];
  await startProgram('pebble', args, /ACME directory available/, { env });
  return { directory: `https://localhost:${port}/dir`, trust: certificate };
}
