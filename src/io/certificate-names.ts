import { X509Certificate } from 'node:crypto';
import type { Certificate } from './network.js';

/** Certificates for the same names, with keys of different types: clients get the one that they understand. */
export interface CertificateGroup {
  /** In lower case; a wildcard begins with `*.`. */
  readonly names: readonly string[];
  readonly certificates: readonly Certificate[];
}

const NAME = /^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;

/**
 * Sorts certificates by the names that they are for. Throws an Error that says which certificate can't be read.
 */
export function groupCertificates(certificates: readonly Certificate[]): readonly CertificateGroup[] {
  const groups: { key: string; types: Set<string>; names: string[]; certificates: Certificate[] }[] = [];
  certificates.forEach((certificate, index) => {
    const { names, type } = readNames(certificate, index);
    const key = [...names].sort().join(' ');
    const group = groups.find((other) => other.key === key && !other.types.has(type));
    if (group) {
      group.types.add(type);
      group.certificates.push(certificate);
    } else groups.push({ key, types: new Set([type]), names, certificates: [certificate] });
  });
  return groups;
}

/**
 * Finds what belongs to a name that a client asks for (RFC 6066 section 3): the exact name, else a wildcard for one label
 * (RFC 6125 section 6.4.3). If two claim a name, the first one has it.
 */
export class NameTable<T> {
  readonly #byName = new Map<string, T>();

  add(names: readonly string[], value: T): void {
    for (const name of names) if (!this.#byName.has(name)) this.#byName.set(name, value);
  }

  find(serverName: string): T | undefined {
    const name = serverName.toLowerCase();
    const exact = this.#byName.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf('.');
    return dot > 0 ? this.#byName.get(`*${name.slice(dot)}`) : undefined;
  }
}

function readNames({ cert }: Certificate, index: number): { names: string[]; type: string } {
  try {
    const read = new X509Certificate(cert);
    const alternatives = read.subjectAltName?.split(', ') ?? [];
    const names = alternatives
      .filter((name) => name.startsWith('DNS:'))
      .map((name) => name.slice(4).toLowerCase())
      .filter((name) => NAME.test(name));
    return { names, type: read.publicKey.asymmetricKeyType ?? '' };
  } catch {
    throw new Error(`certificates[${index}]: not a certificate in PEM form`);
  }
}
