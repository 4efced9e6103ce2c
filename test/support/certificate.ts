import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './folder.js';

export const hasOpenssl = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0;

/** A self-signed certificate for `www.example.com`, valid for two days unless told otherwise. */
export function certificate(days = 2): { readonly key: Buffer; readonly cert: Buffer } {
  const folder = temporaryFolder();
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=www.example.com';
  const names = ['-days', String(days), '-addext', 'subjectAltName=DNS:www.example.com'];
  execFileSync('openssl', [...request.split(' '), ...names, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

/** Writes `<name>.pem` and `<name>.key`, self-signed for dns.example.com. Needs openssl. */
export function makeCertificate(
  folder: string,
  name: string,
): { readonly cert: string; readonly key: string } {
  const kind =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=dns.example.com';
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const names = ['-addext', 'subjectAltName=DNS:dns.example.com'];
  execFileSync('openssl', [...kind.split(' '), ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { cert, key };
}
