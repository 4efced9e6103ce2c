/** TLS of listeners and pools, as `proxy.yaml` means it. Files are absolute paths of PEM files. */

export interface CertificateFiles {
  /** The certificate, and its chain. */
  readonly cert: string;
  readonly key: string;
}

export interface ListenerTls {
  /** The first one is for clients that ask for no name or for an unknown one. */
  readonly certificates: readonly CertificateFiles[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Authorities of clients' certificates; null to ask for none. */
  readonly clientCa: string | null;
  readonly clientCertificates: 'required' | 'optional';
  readonly alpn: readonly string[];
  /** Session tickets. */
  readonly tickets: boolean;
}

export interface PoolTls {
  /** Whether certificates of endpoints are checked. */
  readonly verify: boolean;
  /** Authorities; null for those of the system. */
  readonly ca: string | null;
  /** The name that certificates must have; null for the host of each endpoint's address. */
  readonly serverName: string | null;
  /** What endpoints are shown if they ask. */
  readonly certificate: CertificateFiles | null;
}
