import { isIP } from 'node:net';
import { groupCertificates, NameTable } from '../certificate-names.js';
import type { Certificate, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions } from '../network.js';
import {
  alpnWire,
  CIPHERS_TLS12,
  CIPHERS_TLS13,
  GROUPS,
  optionsProblem,
  sessionContext,
  systemAuthorities,
  TICKET_KEY_BYTES,
  TICKET_KEYS_MAX,
} from '../tls-settings.js';
import type { NativeMemory } from './linux.js';
import {
  NPN_NEGOTIATED,
  type OpenSsl,
  SSL_CTRL,
  SSL_MODE,
  SSL_OP,
  SSL_SESS_CACHE,
  SSL_SHUTDOWN_BOTH,
  SSL_VERIFY,
  type TicketKey,
  TLS_VERSION,
  TLSEXT,
  X509_CHECK_NO_PARTIAL_WILDCARDS,
} from './openssl.js';
import type { SessionMaker } from './tls-connection.js';

/** Sessions kept by one ClientTls, one for each endpoint. */
const SESSIONS_MAX = 1024;

/**
 * Certificates, ALPN, tickets and client certificates of a listener. One OpenSSL context for each name; the first
 * one makes the sessions, and moves them to another context when the client asks for its name.
 */
export class BatchedServerTls implements ServerTls, SessionMaker {
  readonly #openSsl: OpenSsl;
  readonly #id: number;
  readonly #servers: Servers;
  readonly #block: Block;
  #contexts: readonly number[] = [];
  #names = new NameTable<number>();
  #alpnLength = 0;
  #ticketKeys = 0;
  #closed = false;

  /** Throws an Error that names what is wrong with a certificate or key. */
  constructor(openSsl: OpenSsl, options: ServerTlsOptions) {
    this.#openSsl = openSsl;
    this.#servers = serversOf(openSsl);
    this.#block = this.#servers.free.pop() ?? newBlock(openSsl);
    this.#id = this.#servers.nextId++;
    this.#servers.byId.set(this.#id, this);
    try {
      this.replace(options);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  replace(options: ServerTlsOptions): void {
    const problem = optionsProblem(options);
    if (problem !== undefined) throw new Error(problem);
    const contexts: number[] = [];
    const names = new NameTable<number>();
    try {
      for (const group of groupCertificates(options.certificates)) {
        const context = newContext(this.#openSsl, true, options.minVersion);
        contexts.push(context);
        for (const certificate of group.certificates) {
          useCertificate(this.#openSsl, context, certificate, options.certificates.indexOf(certificate));
        }
        this.#configure(context, options);
        names.add(group.names, context);
      }
    } catch (error) {
      freeContexts(this.#openSsl, contexts);
      throw error;
    }
    const wire = alpnWire(options.alpn);
    this.#block.bytes.set(wire, ALPN_AT);
    this.#alpnLength = wire.length;
    options.ticketKeys.forEach((key, i) => {
      this.#block.bytes.set(key, KEYS_AT + i * TICKET_KEY_BYTES);
    });
    this.#ticketKeys = options.ticketKeys.length;
    // Connections hold on to the context that they began with.
    freeContexts(this.#openSsl, this.#contexts);
    this.#contexts = contexts;
    this.#names = names;
  }

  /** A session for an accepted connection; 0 if there is no memory for it. */
  open(fd: number): number {
    const context = this.#contexts[0];
    if (context === undefined) return 0;
    const ssl = this.#openSsl.sslNew(context);
    if (ssl === 0) return 0;
    this.#openSsl.setFd(ssl, fd);
    this.#openSsl.setAcceptState(ssl);
    return ssl;
  }

  /** The client's sessions are in its tickets. */
  keep(): void {}

  /** Goes on with the handshake of a session from `open`; the result is that of SSL_do_handshake. */
  handshake(ssl: number): number {
    this.#servers.current = this;
    const result = this.#openSsl.handshake(ssl);
    this.#servers.current = null;
    return result;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    freeContexts(this.#openSsl, this.#contexts);
    this.#contexts = [];
    this.#servers.byId.delete(this.#id);
    this.#block.bytes.fill(0, ALPN_AT, ALPN_AT + ALPN_BYTES + KEYS_BYTES);
    this.#servers.free.push(this.#block);
  }

  #configure(context: number, options: ServerTlsOptions): void {
    const { clientCa } = options;
    this.#openSsl.contextOnServerName(context, this.#id);
    if (options.alpn.length > 0) this.#openSsl.contextOnAlpn(context, this.#id);
    if (options.ticketKeys.length > 0) {
      this.#openSsl.contextOnTicket(context);
      // One is enough for the next connection, and each costs.
      this.#openSsl.contextTickets(context, 1);
    } else {
      this.#openSsl.contextTickets(context, 0);
      this.#openSsl.contextOptions(context, SSL_OP.NO_TICKET);
    }
    const id = sessionContext(options);
    this.#openSsl.contextSessionId(context, id, id.length);
    if (clientCa === null) return;
    const store = this.#openSsl.contextStore(context);
    addAuthorities(this.#openSsl, clientCa.ca, (authority) => {
      this.#openSsl.storeAdd(store, authority);
      this.#openSsl.contextAddClientAuthority(context, authority);
    });
    const mode = SSL_VERIFY.PEER | (clientCa.required ? SSL_VERIFY.FAIL_IF_NO_PEER_CERT : 0);
    this.#openSsl.contextVerify(context, mode, null);
  }

  /** Called by OpenSSL when a ClientHello was read: moves the session to the certificate of its name. */
  chooseName(ssl: number): number {
    const name = this.#openSsl.serverName(ssl);
    if (name === null) return TLSEXT.NOACK;
    const context = this.#names.find(name);
    if (context !== undefined && context !== this.#contexts[0]) this.#openSsl.setContext(ssl, context);
    return TLSEXT.OK;
  }

  /** Likewise for the protocol. Without a common one the handshake fails (RFC 7301 section 3.2). */
  chooseProtocol(out: number, outLength: number, client: number, length: number): number {
    const list = this.#block.address + ALPN_AT;
    if (this.#alpnLength === 0) return TLSEXT.NOACK;
    const chosen = this.#openSsl.selectProtocol(out, outLength, list, this.#alpnLength, client, length);
    return chosen === NPN_NEGOTIATED ? TLSEXT.OK : TLSEXT.ALERT_FATAL;
  }

  /** Likewise for the key of a ticket (RFC 5077 section 4): 0 none fits, 1 good, 2 good but to be made anew, -1 failed. */
  chooseTicketKey(name: number, iv: number, cipher: number, mac: number, encrypt: boolean): number {
    if (this.#ticketKeys === 0) return encrypt ? -1 : 0;
    const keys = this.#block.address + KEYS_AT;
    if (encrypt) {
      if (this.#openSsl.randomBytes(iv, IV_BYTES) !== 1) return -1;
      this.#openSsl.copy(name, keys, TICKET_NAME_BYTES);
      return this.#openSsl.ticketCipher(cipher, mac, this.#block.keys[0]!, iv, true) === 1 ? 1 : -1;
    }
    for (let i = 0; i < this.#ticketKeys; i++) {
      if (this.#openSsl.compare(name, keys + i * TICKET_KEY_BYTES, TICKET_NAME_BYTES) !== 0) continue;
      if (this.#openSsl.ticketCipher(cipher, mac, this.#block.keys[i]!, iv, false) !== 1) return -1;
      // A new ticket each time: with TLS 1.3 a client uses one only once (RFC 8446 appendix C.4).
      return 2;
    }
    return 0;
  }
}

/** Verification, name and own certificate towards endpoints, and their sessions for the next connection. */
export class BatchedClientTls implements ClientTls, SessionMaker {
  readonly #openSsl: OpenSsl;
  readonly #options: ClientTlsOptions;
  readonly #context: number;
  readonly #hostName: Buffer | null;
  readonly #sessions = new Map<string, number>();
  #closed = false;

  /** Throws an Error that names what is wrong with a certificate or key. */
  constructor(openSsl: OpenSsl, options: ClientTlsOptions) {
    const problem = optionsProblem({ alpn: options.alpn });
    if (problem !== undefined) throw new Error(problem);
    this.#openSsl = openSsl;
    this.#options = options;
    // RFC 6066 section 3: an address is no server name.
    this.#hostName = isIP(options.serverName) === 0 ? Buffer.from(`${options.serverName}\0`, 'latin1') : null;
    const context = newContext(openSsl, false, 'TLSv1.2');
    this.#context = context;
    try {
      this.#configure();
    } catch (error) {
      openSsl.contextFree(context);
      throw error;
    }
  }

  handshake(ssl: number): number {
    return this.#openSsl.handshake(ssl);
  }

  /** A session for a connection to `endpoint`; 0 if there is no memory for it. */
  open(fd: number, endpoint: string): number {
    if (this.#closed) return 0;
    const { serverName, verify } = this.#options;
    const ssl = this.#openSsl.sslNew(this.#context);
    if (ssl === 0) return 0;
    this.#openSsl.setFd(ssl, fd);
    this.#openSsl.setConnectState(ssl);
    if (this.#hostName) this.#openSsl.sslControl(ssl, SSL_CTRL.SET_TLSEXT_HOSTNAME, 0, this.#hostName);
    if (verify && this.#hostName) {
      this.#openSsl.setHostFlags(ssl, X509_CHECK_NO_PARTIAL_WILDCARDS);
      this.#openSsl.setHost(ssl, serverName);
    } else if (verify) this.#openSsl.setIp(ssl, serverName);
    const session = this.#sessions.get(endpoint);
    if (session !== undefined) this.#openSsl.sessionSet(ssl, session);
    return ssl;
  }

  /** Remembers the session of a connection that ends, so that the next one need not begin from nothing. */
  keep(ssl: number, endpoint: string): void {
    if (this.#closed) return;
    this.#openSsl.setShutdown(ssl, SSL_SHUTDOWN_BOTH);
    const session = this.#openSsl.sessionGet(ssl);
    if (session === 0) return;
    const before = this.#sessions.get(endpoint);
    const room = before !== undefined || this.#sessions.size < SESSIONS_MAX;
    if (!room || this.#openSsl.sessionResumable(session) !== 1) {
      this.#openSsl.sessionFree(session);
      return;
    }
    if (before !== undefined) this.#openSsl.sessionFree(before);
    this.#sessions.set(endpoint, session);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const session of this.#sessions.values()) this.#openSsl.sessionFree(session);
    this.#sessions.clear();
    this.#openSsl.contextFree(this.#context);
  }

  #configure(): void {
    const { alpn, ca, certificate, verify } = this.#options;
    if (alpn.length > 0) {
      const wire = alpnWire(alpn);
      this.#openSsl.contextAlpn(this.#context, wire, wire.length);
    }
    if (certificate) useCertificate(this.#openSsl, this.#context, certificate, 0);
    // Our sessions are in `#sessions`; what OpenSSL would keep by itself is of no use to a client.
    const mode = SSL_SESS_CACHE.CLIENT | SSL_SESS_CACHE.NO_INTERNAL;
    this.#openSsl.contextControl(this.#context, SSL_CTRL.SET_SESS_CACHE_MODE, mode, null);
    if (!verify) return;
    this.#openSsl.contextVerify(this.#context, SSL_VERIFY.PEER, null);
    if (ca === null) this.#openSsl.contextUseStore(this.#context, systemStore(this.#openSsl));
    else {
      const store = this.#openSsl.contextStore(this.#context);
      addAuthorities(this.#openSsl, ca, (authority) => this.#openSsl.storeAdd(store, authority));
    }
  }
}

/** Memory that OpenSSL reads from callbacks: ALPN list, ticket keys, and the parameters of their MACs. */
interface Block {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly keys: readonly TicketKey[];
}

const ALPN_AT = 0;
const ALPN_BYTES = 16 * 256;
const KEYS_AT = ALPN_AT + ALPN_BYTES;
const KEYS_BYTES = TICKET_KEYS_MAX * TICKET_KEY_BYTES;
const PARAMETERS_AT = KEYS_AT + KEYS_BYTES;
/** A ticket key is a name, the key of the MAC (HMAC-SHA-256) and that of the cipher (AES-128-CBC): as in node. */
const TICKET_NAME_BYTES = 16;
const MAC_KEY_BYTES = 16;
const IV_BYTES = 16;
/** `OSSL_PARAM`: key, type, data, size, size that was written. Two and an empty one for the end. */
const PARAMETER_BYTES = 40;
const PARAMETERS_BYTES = 3 * PARAMETER_BYTES;
const OSSL_PARAM = { UTF8: 4, OCTETS: 5 } as const;

function newBlock(openSsl: OpenSsl): Block {
  const memory = openSsl.allocate(PARAMETERS_AT + TICKET_KEYS_MAX * PARAMETERS_BYTES);
  const texts = { key: 'key', digest: 'digest', sha256: 'SHA256' };
  const at = Object.entries(texts).map(([, text]) => openSsl.addressOfText(text));
  const [keyText = 0, digestText = 0, sha256Text = 0] = at;
  const keys = Array.from({ length: TICKET_KEYS_MAX }, (_, i): TicketKey => {
    const secret = memory.address + KEYS_AT + i * TICKET_KEY_BYTES + TICKET_NAME_BYTES;
    const parameters = PARAMETERS_AT + i * PARAMETERS_BYTES;
    writeParameter(memory, parameters, keyText, OSSL_PARAM.OCTETS, secret, MAC_KEY_BYTES);
    const digest = parameters + PARAMETER_BYTES;
    writeParameter(memory, digest, digestText, OSSL_PARAM.UTF8, sha256Text, texts.sha256.length);
    return { aes: secret + MAC_KEY_BYTES, macParameters: memory.address + parameters };
  });
  return { address: memory.address, bytes: new Uint8Array(memory.buffer), keys };
}

function writeParameter(
  memory: NativeMemory,
  at: number,
  key: number,
  type: number,
  data: number,
  size: number,
): void {
  const view = new DataView(memory.buffer, at, PARAMETER_BYTES);
  view.setBigUint64(0, BigInt(key), true);
  view.setUint32(8, type, true);
  view.setBigUint64(16, BigInt(data), true);
  view.setBigUint64(24, BigInt(size), true);
}

interface Servers {
  readonly byId: Map<number, BatchedServerTls>;
  readonly free: Block[];
  nextId: number;
  /** Whose handshake goes on: OpenSSL asks for ticket keys without saying of what. */
  current: BatchedServerTls | null;
}

const servers = new WeakMap<OpenSsl, Servers>();

/** The servers of this thread; at the first call, OpenSSL's questions are led to them. */
function serversOf(openSsl: OpenSsl): Servers {
  const known = servers.get(openSsl);
  if (known) return known;
  const byId = new Map<number, BatchedServerTls>();
  const made: Servers = { byId, free: [], nextId: 1, current: null };
  servers.set(openSsl, made);
  openSsl.callbacks.serverName = (ssl, id) => byId.get(id)?.chooseName(ssl) ?? TLSEXT.NOACK;
  openSsl.callbacks.alpn = (out, outLength, client, length, id) =>
    byId.get(id)?.chooseProtocol(out, outLength, client, length) ?? TLSEXT.NOACK;
  openSsl.callbacks.ticket = (_ssl, name, iv, cipher, mac, encrypt) =>
    made.current?.chooseTicketKey(name, iv, cipher, mac, encrypt === 1) ?? 0;
  return made;
}

function newContext(openSsl: OpenSsl, server: boolean, minVersion: keyof typeof TLS_VERSION): number {
  const context = openSsl.contextNew(server);
  if (context === 0) throw new Error(`OpenSSL gave no context: ${openSsl.takeError()}`);
  const control = (command: number, value: number) => openSsl.contextControl(context, command, value, null);
  control(SSL_CTRL.SET_MIN_PROTO_VERSION, TLS_VERSION[minVersion]);
  control(SSL_CTRL.MODE, SSL_MODE.PARTIAL_WRITE | SSL_MODE.MOVING_WRITE_BUFFER | SSL_MODE.RELEASE_BUFFERS);
  // One system call reads a record with its header, and what follows.
  control(SSL_CTRL.SET_READ_AHEAD, 1);
  control(SSL_CTRL.SET_SESS_CACHE_MODE, SSL_SESS_CACHE.OFF);
  // Our order, unless the client puts ChaCha20 first: then it has no AES in hardware.
  const order = SSL_OP.SERVER_PREFERENCE | SSL_OP.PRIORITIZE_CHACHA;
  openSsl.contextOptions(context, SSL_OP.NO_COMPRESSION | SSL_OP.NO_RENEGOTIATION | order);
  openSsl.contextCipherList(context, CIPHERS_TLS12);
  openSsl.contextCipherSuites(context, CIPHERS_TLS13);
  for (const groups of GROUPS) {
    const text = Buffer.from(`${groups}\0`);
    if (openSsl.contextControl(context, SSL_CTRL.SET_GROUPS_LIST, 0, text) === 1) break;
  }
  openSsl.clearErrors();
  return context;
}

function freeContexts(openSsl: OpenSsl, contexts: readonly number[]): void {
  for (const context of contexts) openSsl.contextFree(context);
}

function useCertificate(openSsl: OpenSsl, context: number, { cert, key }: Certificate, index: number): void {
  const at = `certificates[${index}]`;
  const [own, ...chain] = openSsl.readCertificates(cert) ?? [];
  const secret = openSsl.readKey(key);
  try {
    if (own === undefined) throw new Error(`${at}: not a certificate in PEM form`);
    if (secret === 0) throw new Error(`${at}: the key is not a private key in PEM form without a passphrase`);
    openSsl.clearErrors();
    const fail = (what: string) => new Error(`${at}: ${what}: ${openSsl.takeError()}`);
    if (openSsl.contextUseCertificate(context, own) !== 1) throw fail('the certificate is refused');
    if (openSsl.contextUseKey(context, secret) !== 1) throw fail('the key does not fit the certificate');
    // The context takes a reference of its own (1).
    for (const next of chain) openSsl.contextControl(context, SSL_CTRL.CHAIN_CERT, 1, next);
  } finally {
    for (const certificate of own === undefined ? chain : [own, ...chain])
      openSsl.certificateFree(certificate);
    if (secret !== 0) openSsl.keyFree(secret);
    openSsl.clearErrors();
  }
}

function addAuthorities(openSsl: OpenSsl, pem: string, add: (certificate: number) => void): void {
  const authorities = openSsl.readCertificates(pem);
  openSsl.clearErrors();
  if (authorities === null || authorities.length === 0) {
    throw new Error('the authorities are not certificates in PEM form');
  }
  for (const authority of authorities) {
    add(authority);
    openSsl.certificateFree(authority);
  }
  openSsl.clearErrors();
}

const systemStores = new WeakMap<OpenSsl, number>();

/** Read once for a thread: it is large. */
function systemStore(openSsl: OpenSsl): number {
  const known = systemStores.get(openSsl);
  if (known !== undefined) return known;
  const store = openSsl.storeNew();
  addAuthorities(openSsl, systemAuthorities(), (authority) => openSsl.storeAdd(store, authority));
  systemStores.set(openSsl, store);
  return store;
}
