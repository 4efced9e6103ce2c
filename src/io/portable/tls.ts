import { constants } from 'node:crypto';
import { connect, isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  createServer,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import { groupCertificates, NameTable } from '../certificate-names.js';
import type { Certificate, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions } from '../network.js';
import type { SocketAddress } from '../tier.js';
import {
  CIPHERS_TLS12,
  CIPHERS_TLS13,
  HANDSHAKE_MS_MAX,
  optionsProblem,
  sessionContext,
  systemAuthorities,
} from '../tls-settings.js';

/** Sessions kept by one ClientTls, one for each endpoint. */
const SESSIONS_MAX = 1024;

/** Told how the handshake of an accepted socket ended. */
export interface HandshakeEvents {
  secured(socket: TLSSocket): void;
  failed(message: string): void;
}

/**
 * A listener's TLS on node:tls. Of several ticket keys node takes the first one only: a ticket of an older key leads to a
 * full handshake. A peer that ends without close_notify looks as if it had sent one.
 */
export class PortableServerTls implements ServerTls {
  #server: Server;
  readonly #waiting = new Map<string, HandshakeEvents>();

  /** Throws an Error that names what is wrong with a certificate or key. */
  constructor(options: ServerTlsOptions) {
    this.#server = this.#newServer(options);
  }

  replace(options: ServerTlsOptions): void {
    this.#server = this.#newServer(options);
  }

  /** Begins the handshake on a socket that was accepted elsewhere. */
  start(socket: Socket, events: HandshakeEvents): void {
    const key = keyOf(socket);
    this.#waiting.set(key, events);
    socket.once('close', () => {
      if (this.#waiting.get(key) === events) this.#waiting.delete(key);
    });
    this.#server.emit('connection', socket);
  }

  close(): void {
    this.#waiting.clear();
  }

  #newServer(options: ServerTlsOptions): Server {
    const problem = optionsProblem(options);
    if (problem !== undefined) throw new Error(problem);
    const names = new NameTable<SecureContext>();
    const common = serverOptions(options);
    const groups = groupCertificates(options.certificates);
    for (const group of groups) {
      const own = identityOf(group.certificates, options.certificates);
      names.add(group.names, createSecureContext({ ...common, ...own }));
    }
    const server = createServer({
      ...common,
      ...identityOf(groups[0]?.certificates ?? [], options.certificates),
      ALPNProtocols: [...options.alpn],
      SNICallback: (name, done) => done(null, names.find(name)),
      requestCert: options.clientCa !== null,
      rejectUnauthorized: options.clientCa?.required ?? false,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      ...(options.ticketKeys[0] && { ticketKeys: Buffer.from(options.ticketKeys[0]) }),
    });
    server.on('secureConnection', (socket) => {
      const events = this.#take(socket);
      // With an optional certificate node leaves the judgement to us: none is fine, a bad one is not.
      const shown = options.clientCa !== null && socket.getPeerX509Certificate() !== undefined;
      if (shown && !socket.authorized) {
        events?.failed(`certificate verify failed: ${String(socket.authorizationError)}`);
        socket.destroy();
      } else if (events) events.secured(socket);
      else socket.destroy();
    });
    server.on('tlsClientError', (error, socket) => {
      this.#take(socket)?.failed(error.message);
      socket.destroy();
    });
    return server;
  }

  #take(socket: TLSSocket): HandshakeEvents | undefined {
    const key = keyOf(socket);
    const events = this.#waiting.get(key);
    this.#waiting.delete(key);
    return events;
  }
}

/** TLS towards endpoints on node:tls. */
export class PortableClientTls implements ClientTls {
  readonly #options: ClientTlsOptions;
  readonly #context: SecureContext;
  readonly #sessions = new Map<string, Buffer>();

  /** Throws an Error that names what is wrong with a certificate or key. */
  constructor(options: ClientTlsOptions) {
    const problem = optionsProblem({ alpn: options.alpn });
    if (problem !== undefined) throw new Error(problem);
    const { ca, certificate, verify } = options;
    this.#options = options;
    this.#context = createSecureContext({
      ...protocolOptions('TLSv1.2'),
      ...(verify && { ca: ca ?? systemAuthorities() }),
      ...(certificate && identityOf([certificate], [certificate])),
    });
  }

  /** Opens a connection; `raw` is the socket under the TLS. */
  connect(
    address: SocketAddress,
    preface?: Uint8Array,
  ): { readonly socket: TLSSocket; readonly raw: Socket } {
    const { serverName, verify, alpn } = this.#options;
    const raw = connect({ ...address, allowHalfOpen: true, noDelay: true });
    // It waits in the socket, and leaves when that is connected: before the TLS on top of it begins.
    if (preface !== undefined) raw.write(preface);
    const endpoint = `${address.host} ${address.port}`;
    const session = this.#sessions.get(endpoint);
    const socket = tlsConnect({
      socket: raw,
      secureContext: this.#context,
      servername: isIP(serverName) === 0 ? serverName : '',
      rejectUnauthorized: verify,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
      ALPNProtocols: [...alpn],
      ...(session && { session }),
    });
    socket.on('session', (made) => {
      if (this.#sessions.size < SESSIONS_MAX || this.#sessions.has(endpoint)) {
        this.#sessions.set(endpoint, made);
      }
    });
    return { socket, raw };
  }

  close(): void {
    this.#sessions.clear();
  }
}

function protocolOptions(minVersion: ServerTlsOptions['minVersion']): SecureContextOptions {
  return { minVersion, ciphers: `${CIPHERS_TLS13}:${CIPHERS_TLS12}` };
}

function serverOptions(options: ServerTlsOptions): SecureContextOptions {
  const { clientCa, minVersion, ticketKeys } = options;
  const noTickets = ticketKeys.length === 0 ? constants.SSL_OP_NO_TICKET : 0;
  return {
    ...protocolOptions(minVersion),
    secureOptions: noTickets | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
    honorCipherOrder: true,
    // Text of at most 32 bytes.
    sessionIdContext: sessionContext(options).toString('base64').slice(0, 32),
    ...(clientCa && { ca: clientCa.ca }),
  };
}

/** Checks each pair by itself first, so that an error can say which one it is. */
function identityOf(
  certificates: readonly Certificate[],
  all: readonly Certificate[],
): { readonly cert: string[]; readonly key: string[] } {
  for (const certificate of certificates) {
    try {
      createSecureContext(certificate);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`certificates[${all.indexOf(certificate)}]: ${message}`);
    }
  }
  return { cert: certificates.map(({ cert }) => cert), key: certificates.map(({ key }) => key) };
}

/** Accepted sockets and the TLS sockets over them have no other thing in common. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
