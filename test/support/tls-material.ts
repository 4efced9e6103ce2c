import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificate } from '../../src/io/network.js';

/** A certificate authority in a folder, made by openssl. */
export class Authority {
  readonly ca: string;
  readonly caFile: string;
  readonly #folder: string;

  constructor(folder: string, name = 'ca') {
    this.#folder = folder;
    this.caFile = join(folder, `${name}.pem`);
    const [key, subject] = [join(folder, `${name}.key`), `/CN=Test ${name}`];
    openssl(['req', '-x509', ...EC, '-days', '2', '-subj', subject, '-keyout', key, '-out', this.caFile]);
    this.ca = readFileSync(this.caFile, 'utf8');
  }

  /** A certificate for `names`, signed by this authority, whose files are `<file>.pem` and `<file>.key`. */
  issue(file: string, names: readonly string[], kind: readonly string[] = EC, days = 2): Certificate {
    const at = (ending: string) => join(this.#folder, `${file}.${ending}`);
    const alternatives = names.map((name) => `${/^[\d.]+$|:/.test(name) ? 'IP' : 'DNS'}:${name}`).join(',');
    writeFileSync(at('ext'), `subjectAltName=${alternatives}\nbasicConstraints=CA:FALSE\n`);
    const request = ['-subj', `/CN=${file}`, '-keyout', at('key'), '-out', at('csr')];
    openssl(['req', '-new', ...kind, ...request]);
    const signer = ['-CA', this.caFile, '-CAkey', this.caFile.replace(/pem$/, 'key'), '-CAcreateserial'];
    const made = ['-in', at('csr'), '-extfile', at('ext'), '-out', at('pem')];
    openssl(['x509', '-req', '-days', String(days), ...signer, ...made]);
    return { cert: readFileSync(at('pem'), 'utf8'), key: readFileSync(at('key'), 'utf8') };
  }
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
export const RSA: readonly string[] = ['-newkey', 'rsa:2048', '-nodes'];

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}
