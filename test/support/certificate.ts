import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

export const hasOpenssl: boolean = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0;

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
