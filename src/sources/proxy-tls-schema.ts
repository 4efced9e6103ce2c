/** `listeners[].tls` and `pools.X.tls` of `proxy.yaml`, as they are written, and what they mean. */
import { resolve } from 'node:path';
import { type Static, Type } from 'typebox';
import type { CertificateFiles, ListenerTls, PoolTls } from '../core/balance/tls-model.js';

export const CERTIFICATES_MAX = 1_000;

const strict = { additionalProperties: false } as const;

const File = Type.String({ minLength: 1, maxLength: 4096, title: 'the path of a PEM file' });
const Certificate = Type.Object(
  { cert: File, key: File },
  { ...strict, title: 'a map with the keys cert and key' },
);
const Protocol = Type.String({
  pattern: '^[!-~]{1,255}$',
  title: 'the name of a protocol such as http/1.1',
});

export const ListenerTlsSchema = Type.Object(
  {
    certificates: Type.Array(Certificate, { minItems: 1, maxItems: CERTIFICATES_MAX }),
    min_version: Type.Optional(Type.Union([Type.Literal('TLSv1.2'), Type.Literal('TLSv1.3')])),
    client_ca: Type.Optional(File),
    client_certificates: Type.Optional(Type.Union([Type.Literal('required'), Type.Literal('optional')])),
    alpn: Type.Optional(Type.Array(Protocol, { maxItems: 16 })),
    tickets: Type.Optional(Type.Boolean()),
  },
  { ...strict, title: 'a map with the key certificates' },
);

export const PoolTlsSchema = Type.Object(
  {
    verify: Type.Optional(Type.Boolean()),
    ca: Type.Optional(File),
    server_name: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9._:-]{1,253}$', title: 'a host name or an IP address' }),
    ),
    certificate: Type.Optional(Certificate),
  },
  { ...strict, title: 'a map such as {}' },
);

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;

/** Absent where there is no TLS, so that the result can be spread into a model. */
export function listenerTlsOf(
  {
    tls,
    protocol,
    http2,
  }: { readonly tls?: Static<typeof ListenerTlsSchema>; readonly protocol: string; readonly http2?: string },
  path: Path,
  folder: string,
  report: Report,
): { readonly tls?: ListenerTls } {
  if (tls === undefined) return {};
  if (tls.client_certificates !== undefined && tls.client_ca === undefined) {
    report(
      [...path, 'client_certificates'],
      'needs the key client_ca: who signs the certificates of clients',
    );
  }
  return {
    tls: {
      certificates: tls.certificates.map((files) => absolute(files, folder)),
      minVersion: tls.min_version ?? 'TLSv1.2',
      clientCa: tls.client_ca === undefined ? null : resolve(folder, tls.client_ca),
      clientCertificates: tls.client_certificates ?? 'required',
      alpn: tls.alpn ?? (protocol !== 'http' ? [] : http2 === 'on' ? ['h2', 'http/1.1'] : ['http/1.1']),
      tickets: tls.tickets ?? true,
    },
  };
}

/** Likewise for a pool. */
export function poolTlsOf(
  { tls }: { readonly tls?: Static<typeof PoolTlsSchema> },
  path: Path,
  folder: string,
  report: Report,
): { readonly tls?: PoolTls } {
  if (tls === undefined) return {};
  if (tls.verify === false && tls.ca !== undefined) {
    report([...path, 'ca'], 'ca has no meaning without verify');
  }
  return {
    tls: {
      verify: tls.verify ?? true,
      ca: tls.ca === undefined ? null : resolve(folder, tls.ca),
      serverName: tls.server_name ?? null,
      certificate: tls.certificate === undefined ? null : absolute(tls.certificate, folder),
    },
  };
}

interface TlsFile {
  readonly listeners?: readonly {
    readonly protocol: string;
    readonly pool?: string;
    readonly tls?: unknown;
    readonly sni?: Readonly<Record<string, string>>;
  }[];
  readonly pools?: Readonly<Record<string, { readonly tls?: unknown; readonly proxy_protocol?: unknown }>>;
}

/** Refuses what TLS can't be combined with. */
export function checkTls({ listeners = [], pools = {} }: TlsFile, report: Report): void {
  listeners.forEach(({ protocol, pool, tls, sni = {} }, i) => {
    const at = ['listeners', i, 'tls'];
    const ends = protocol === 'http' || protocol === 'tcp';
    if (tls !== undefined && !ends) report(at, 'tls is only for the protocols http and tcp');
    if (ends) return;
    for (const name of new Set([...(pool === undefined ? [] : [pool]), ...Object.values(sni)])) {
      if (pools[name]?.tls === undefined) continue;
      report(['pools', name, 'tls'], `is not for pools of a listener with protocol ${protocol}`);
    }
  });
  for (const [name, pool] of Object.entries(pools)) {
    if (pool.tls === undefined || pool.proxy_protocol === undefined) continue;
    report(
      ['pools', name, 'tls'],
      'tls and proxy_protocol exclude each other: the header would have to come before the handshake',
    );
  }
}

function absolute({ cert, key }: CertificateFiles, folder: string): CertificateFiles {
  return { cert: resolve(folder, cert), key: resolve(folder, key) };
}
