import { createRequire } from 'node:module';
import { loadLinux, type NativeMemory } from './linux.js';

/**
 * The OpenSSL that node itself exports, by FFI: node then needs no second TLS library, and its security updates
 * are ours. This is the only file with OpenSSL's symbols and numbers (ssl.h, tls1.h of OpenSSL 3). Pointers are
 * plain numbers, 0 is NULL. A `Bytes` argument is only read or written during the call.
 */
export interface OpenSsl {
  contextNew(server: boolean): number;
  contextFree(context: number): void;
  contextControl(context: number, command: number, number: number, pointer: number | Bytes): number;
  contextOptions(context: number, options: number): number;
  contextCipherList(context: number, names: string): number;
  contextCipherSuites(context: number, names: string): number;
  contextUseCertificate(context: number, certificate: number): number;
  contextUseKey(context: number, key: number): number;
  contextVerify(context: number, mode: number, callback: null): void;
  contextSessionId(context: number, id: Bytes, length: number): number;
  contextAddClientAuthority(context: number, certificate: number): number;
  contextStore(context: number): number;
  contextUseStore(context: number, store: number): void;
  contextAlpn(context: number, list: Bytes, length: number): number;
  contextTickets(context: number, count: number): number;
  /** Who chooses the certificate, the protocol and the ticket key; `id` is handed back to the callback. */
  contextOnServerName(context: number, id: number): void;
  contextOnAlpn(context: number, id: number): void;
  contextOnTicket(context: number): void;

  storeNew(): number;
  storeFree(store: number): void;
  storeAdd(store: number, certificate: number): number;
  /** Each certificate of a PEM text; to be freed by `certificateFree`. Null if one is broken. */
  readCertificates(pem: string): number[] | null;
  readKey(pem: string): number;
  certificateFree(certificate: number): void;
  keyFree(key: number): void;
  /** DER of a certificate. */
  certificateBytes(certificate: number): Buffer;

  sslNew(context: number): number;
  sslFree(ssl: number): void;
  sslControl(ssl: number, command: number, number: number, pointer: Bytes): number;
  setFd(ssl: number, fd: number): number;
  setAcceptState(ssl: number): void;
  setConnectState(ssl: number): void;
  setContext(ssl: number, context: number): number;
  setHost(ssl: number, name: string): number;
  setHostFlags(ssl: number, flags: number): void;
  setIp(ssl: number, address: string): number;
  handshake(ssl: number): number;
  read(ssl: number, buffer: number, length: number): number;
  write(ssl: number, buffer: number, length: number): number;
  shutdown(ssl: number): number;
  /** One of `SSL_ERROR`. */
  error(ssl: number, result: number): number;
  hasPending(ssl: number): number;
  version(ssl: number): string;
  cipher(ssl: number): string;
  serverName(ssl: number): string | null;
  alpn(ssl: number): string | null;
  reused(ssl: number): number;
  verifyResult(ssl: number): number;
  verifyReason(result: number): string;
  /** The peer's certificate, to be freed; 0 for none. */
  peerCertificate(ssl: number): number;
  sessionGet(ssl: number): number;
  sessionResumable(session: number): number;
  sessionSet(ssl: number, session: number): number;
  sessionFree(session: number): void;
  /** Says that both sides took their leave: else OpenSSL spoils the session when it frees the connection. */
  setShutdown(ssl: number, mode: number): void;

  clearErrors(): void;
  /** The oldest error that waits, in words and without secrets; '' for none. Empties the queue. */
  takeError(): string;
  /** In OpenSSL's own words, `client` list against `server` list; for the ALPN callback. */
  selectProtocol(
    out: number,
    outLength: number,
    server: number,
    serverLength: number,
    client: number,
    length: number,
  ): number;
  randomBytes(at: number, length: number): number;
  copy(to: number, from: number, length: number): number;
  compare(a: number, b: number, length: number): number;
  /** Prepares the cipher and the MAC of one session ticket. 1 if that went well. */
  ticketCipher(cipher: number, mac: number, key: TicketKey, iv: number, encrypt: boolean): number;
  allocate(bytes: number): NativeMemory;
  addressOfText(text: string): number;
  readonly callbacks: TlsCallbacks;
}

export type Bytes = Uint8Array | null;

/** Addresses of a key's parts. */
export interface TicketKey {
  readonly aes: number;
  /** `OSSL_PARAM[]`: key and digest of the MAC. */
  readonly macParameters: number;
}

/** Filled in by tls-context.ts; called by OpenSSL within `handshake`, so they must never throw. */
export interface TlsCallbacks {
  serverName: (ssl: number, id: number) => number;
  alpn: (out: number, outLength: number, client: number, length: number, id: number) => number;
  ticket: (ssl: number, name: number, iv: number, cipher: number, mac: number, encrypt: number) => number;
}

export const SSL_ERROR = {
  NONE: 0,
  SSL: 1,
  WANT_READ: 2,
  WANT_WRITE: 3,
  SYSCALL: 5,
  ZERO_RETURN: 6,
} as const;
export const SSL_CTRL = {
  MODE: 33,
  SET_READ_AHEAD: 41,
  SET_SESS_CACHE_MODE: 44,
  SET_TLSEXT_SERVERNAME_CB: 53,
  SET_TLSEXT_SERVERNAME_ARG: 54,
  SET_TLSEXT_HOSTNAME: 55,
  CHAIN_CERT: 89,
  SET_GROUPS_LIST: 92,
  SET_MIN_PROTO_VERSION: 123,
} as const;
export const SSL_MODE = { PARTIAL_WRITE: 1, MOVING_WRITE_BUFFER: 2, RELEASE_BUFFERS: 0x10 } as const;
export const SSL_OP = {
  NO_TICKET: 0x4000,
  NO_COMPRESSION: 0x20000,
  PRIORITIZE_CHACHA: 0x200000,
  SERVER_PREFERENCE: 0x400000,
  NO_RENEGOTIATION: 0x40000000,
} as const;
export const SSL_VERIFY = { NONE: 0, PEER: 1, FAIL_IF_NO_PEER_CERT: 2 } as const;
export const SSL_SHUTDOWN_BOTH = 3;
export const SSL_SESS_CACHE = { OFF: 0, CLIENT: 1, NO_INTERNAL: 0x300 } as const;
export const TLS_VERSION = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 } as const;
/** What the callbacks return (`SSL_TLSEXT_ERR_…`). */
export const TLSEXT = { OK: 0, ALERT_FATAL: 2, NOACK: 3 } as const;
export const X509_CHECK_NO_PARTIAL_WILDCARDS = 4;
export const X509_V_OK = 0;
/** Of `selectProtocol`. */
export const NPN_NEGOTIATED = 1;

const VERSION_MIN = 0x30000000;
const VERSION_MAX = 0x3fffffff;

type Loaded = OpenSsl | { readonly unavailable: string };
let loaded: Loaded | undefined;

/** Loads and checks the library once for each thread, or says why it can't be used. */
export function loadOpenSsl(): Loaded {
  loaded ??= load();
  return loaded;
}

function load(): Loaded {
  const linux = loadLinux();
  if ('unavailable' in linux) return linux;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load(null);
    const number = Number(library.func('ulong OpenSSL_version_num()')());
    const text = String(library.func('str OpenSSL_version(int)')(0));
    const refused = versionProblem(number, text, process.versions.openssl);
    if (refused !== undefined) return { unavailable: refused };
    return bindLibrary(koffi, library, linux.allocate);
  } catch (error) {
    return {
      unavailable: `OpenSSL can't be used: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

/** Why a library of this version is not the one that this file was written for; undefined if it is. */
export function versionProblem(number: number, text: string, ofNode: string | undefined): string | undefined {
  if (number < VERSION_MIN || number > VERSION_MAX) return `${text} is not version 3 of OpenSSL`;
  // A library of another version, found by accident, could differ in more than its number.
  const own = ofNode?.match(/^\d+\.\d+\.\d+/)?.[0];
  if (own === undefined || text.split(' ')[1]?.match(/^\d+\.\d+\.\d+/)?.[0] !== own) {
    return `the loaded library is ${text}, but node was built with ${ofNode ?? 'none'}`;
  }
  return undefined;
}

type Koffi = typeof import('koffi');
type Library = ReturnType<Koffi['load']>;

function bindLibrary(koffi: Koffi, library: Library, allocate: (bytes: number) => NativeMemory): OpenSsl {
  const bind = (signature: string) => library.func(signature);
  const callbacks: TlsCallbacks = {
    serverName: () => TLSEXT.NOACK,
    alpn: () => TLSEXT.NOACK,
    ticket: () => 0,
  };
  return {
    ...bindContext(koffi, bind, callbacks),
    ...bindCertificates(bind),
    ...bindConnection(bind, koffi),
    ...bindTickets(bind),
    clearErrors: bind('void ERR_clear_error()'),
    takeError: bindErrors(bind),
    allocate,
    addressOfText(text) {
      const memory = allocate(text.length + 1);
      new Uint8Array(memory.buffer).set(Buffer.from(text, 'latin1'));
      return memory.address;
    },
    callbacks,
  };
}

type Bind = (signature: string) => ReturnType<Library['func']>;

function bindContext(koffi: Koffi, bind: Bind, callbacks: TlsCallbacks) {
  const serverMethod = bind('uintptr_t TLS_server_method()');
  const clientMethod = bind('uintptr_t TLS_client_method()');
  const contextNew = bind('uintptr_t SSL_CTX_new(uintptr_t)');
  const control = bind('long SSL_CTX_ctrl(void*, int, long, void*)');
  const pointers = registerCallbacks(koffi, callbacks);
  const onServerName = bind('long SSL_CTX_callback_ctrl(void*, int, void*)');
  const onAlpn = bind('void SSL_CTX_set_alpn_select_cb(void*, void*, void*)');
  const onTicket = bind('int SSL_CTX_set_tlsext_ticket_key_evp_cb(void*, void*)');
  return {
    contextNew: (server: boolean): number => contextNew(server ? serverMethod() : clientMethod()),
    contextFree: bind('void SSL_CTX_free(void*)'),
    contextControl: control,
    contextOptions: bind('uint64_t SSL_CTX_set_options(void*, uint64_t)'),
    contextCipherList: bind('int SSL_CTX_set_cipher_list(void*, str)'),
    contextCipherSuites: bind('int SSL_CTX_set_ciphersuites(void*, str)'),
    contextUseCertificate: bind('int SSL_CTX_use_certificate(void*, void*)'),
    contextUseKey: bind('int SSL_CTX_use_PrivateKey(void*, void*)'),
    contextVerify: bind('void SSL_CTX_set_verify(void*, int, void*)'),
    contextSessionId: bind('int SSL_CTX_set_session_id_context(void*, void*, uint)'),
    contextAddClientAuthority: bind('int SSL_CTX_add_client_CA(void*, void*)'),
    contextStore: bind('uintptr_t SSL_CTX_get_cert_store(void*)'),
    contextUseStore: bind('void SSL_CTX_set1_cert_store(void*, void*)'),
    contextAlpn: bind('int SSL_CTX_set_alpn_protos(void*, void*, uint)'),
    contextTickets: bind('int SSL_CTX_set_num_tickets(void*, size_t)'),
    contextOnServerName(context: number, id: number): void {
      onServerName(context, SSL_CTRL.SET_TLSEXT_SERVERNAME_CB, pointers.serverName);
      control(context, SSL_CTRL.SET_TLSEXT_SERVERNAME_ARG, 0, id);
    },
    contextOnAlpn: (context: number, id: number): void => void onAlpn(context, pointers.alpn, id),
    contextOnTicket: (context: number): void => void onTicket(context, pointers.ticket),
  };
}

/** Registered once for a thread, for all contexts: FFI libraries have few slots for callbacks. */
function registerCallbacks(koffi: Koffi, callbacks: TlsCallbacks) {
  const pointer = 'uintptr_t';
  const register = (call: (...values: number[]) => number, types: string[]) =>
    koffi.register(call, koffi.pointer(koffi.proto('int', types)));
  return {
    serverName: register(
      (ssl = 0, _alert, id = 0) => callbacks.serverName(ssl, id),
      [pointer, pointer, pointer],
    ),
    alpn: register(
      (_ssl, out = 0, outLength = 0, client = 0, length = 0, id = 0) =>
        callbacks.alpn(out, outLength, client, length, id),
      [pointer, pointer, pointer, pointer, 'uint', pointer],
    ),
    ticket: register(
      (ssl = 0, name = 0, iv = 0, cipher = 0, mac = 0, encrypt = 0) =>
        callbacks.ticket(ssl, name, iv, cipher, mac, encrypt),
      [pointer, pointer, pointer, pointer, pointer, 'int'],
    ),
  };
}

function bindCertificates(bind: Bind) {
  const memory = bind('uintptr_t BIO_s_mem()');
  const bioNew = bind('uintptr_t BIO_new(uintptr_t)');
  const bioFree = bind('int BIO_free(void*)');
  const bioWrite = bind('int BIO_write(void*, void*, int)');
  const readCertificate = bind('uintptr_t PEM_read_bio_X509(void*, void*, void*, str)');
  const readKey = bind('uintptr_t PEM_read_bio_PrivateKey(void*, void*, void*, str)');
  const certificateFree = bind('void X509_free(void*)');
  const toDer = bind('int i2d_X509(void*, void*)');
  const copyToBio = bind('int i2d_X509_bio(void*, void*)');
  const bioRead = bind('int BIO_read(void*, void*, int)');
  const withBio = <T>(use: (bio: number) => T): T => {
    const bio: number = bioNew(memory());
    try {
      return use(bio);
    } finally {
      bioFree(bio);
    }
  };
  const fill = (bio: number, pem: string): void => {
    const bytes = Buffer.from(pem, 'latin1');
    bioWrite(bio, bytes, bytes.length);
  };
  return {
    storeNew: bind('uintptr_t X509_STORE_new()'),
    storeFree: bind('void X509_STORE_free(void*)'),
    storeAdd: bind('int X509_STORE_add_cert(void*, void*)'),
    readCertificates: (pem: string): number[] | null =>
      withBio((bio) => {
        fill(bio, pem);
        const found: number[] = [];
        const next = (): number => readCertificate(bio, null, null, '');
        for (let certificate = next(); certificate !== 0; certificate = next()) found.push(certificate);
        // The end of the text is an error too: what was announced must have been read.
        if (found.length === (pem.match(/^-----BEGIN (X509 )?CERTIFICATE-----/gm)?.length ?? 0)) {
          return found;
        }
        for (const certificate of found) certificateFree(certificate);
        return null;
      }),
    // With a text in place of the callback, OpenSSL takes it as the passphrase and does not ask on the terminal.
    readKey: (pem: string): number =>
      withBio((bio) => {
        fill(bio, pem);
        return readKey(bio, null, null, '');
      }),
    certificateFree,
    keyFree: bind('void EVP_PKEY_free(void*)'),
    certificateBytes: (certificate: number): Buffer =>
      withBio((bio) => {
        const bytes = Buffer.alloc(Math.max(toDer(certificate, null), 0));
        copyToBio(bio, certificate);
        return bytes.subarray(0, Math.max(bioRead(bio, bytes, bytes.length), 0));
      }),
  };
}

function bindConnection(bind: Bind, koffi: Koffi) {
  const parameters = bind('uintptr_t SSL_get0_param(void*)');
  const setIp = bind('int X509_VERIFY_PARAM_set1_ip_asc(void*, str)');
  const currentCipher = bind('uintptr_t SSL_get_current_cipher(void*)');
  const cipherName = bind('str SSL_CIPHER_get_name(void*)');
  const serverName = bind('str SSL_get_servername(void*, int)');
  const alpn = bind('void SSL_get0_alpn_selected(void*, void*, void*)');
  const [alpnAt, alpnLength] = [new BigUint64Array(1), new Uint32Array(1)];
  return {
    sslNew: bind('uintptr_t SSL_new(void*)'),
    sslFree: bind('void SSL_free(void*)'),
    sslControl: bind('long SSL_ctrl(void*, int, long, void*)'),
    setFd: bind('int SSL_set_fd(void*, int)'),
    setAcceptState: bind('void SSL_set_accept_state(void*)'),
    setConnectState: bind('void SSL_set_connect_state(void*)'),
    setContext: bind('uintptr_t SSL_set_SSL_CTX(void*, void*)'),
    setHost: bind('int SSL_set1_host(void*, str)'),
    setHostFlags: bind('void SSL_set_hostflags(void*, uint)'),
    setIp: (ssl: number, address: string): number => setIp(parameters(ssl), address),
    handshake: bind('int SSL_do_handshake(void*)'),
    read: bind('int SSL_read(void*, void*, int)'),
    write: bind('int SSL_write(void*, void*, int)'),
    shutdown: bind('int SSL_shutdown(void*)'),
    error: bind('int SSL_get_error(void*, int)'),
    hasPending: bind('int SSL_has_pending(void*)'),
    version: bind('str SSL_get_version(void*)'),
    cipher: (ssl: number): string => cipherName(currentCipher(ssl)) ?? '',
    serverName: (ssl: number): string | null => serverName(ssl, 0),
    alpn(ssl: number): string | null {
      alpn(ssl, alpnAt, alpnLength);
      const length = alpnLength[0] ?? 0;
      if (length === 0) return null;
      return Buffer.from(koffi.view(alpnAt[0] ?? 0n, length)).toString('latin1');
    },
    reused: bind('int SSL_session_reused(void*)'),
    verifyResult: bind('long SSL_get_verify_result(void*)'),
    verifyReason: bind('str X509_verify_cert_error_string(long)'),
    peerCertificate: bind('uintptr_t SSL_get1_peer_certificate(void*)'),
    sessionGet: bind('uintptr_t SSL_get1_session(void*)'),
    sessionResumable: bind('int SSL_SESSION_is_resumable(void*)'),
    sessionSet: bind('int SSL_set_session(void*, void*)'),
    sessionFree: bind('void SSL_SESSION_free(void*)'),
    setShutdown: bind('void SSL_set_shutdown(void*, int)'),
  };
}

function bindTickets(bind: Bind) {
  const cipherInit = bind('int EVP_CipherInit_ex(void*, void*, void*, void*, void*, int)');
  const macParameters = bind('int EVP_MAC_CTX_set_params(void*, void*)');
  const aes: number = bind('uintptr_t EVP_aes_128_cbc()')();
  return {
    selectProtocol: bind('int SSL_select_next_proto(void*, void*, void*, uint, void*, uint)'),
    randomBytes: bind('int RAND_bytes(void*, int)'),
    copy: bind('uintptr_t memcpy(void*, void*, size_t)'),
    compare: bind('int CRYPTO_memcmp(void*, void*, size_t)'),
    ticketCipher(cipher: number, mac: number, key: TicketKey, iv: number, encrypt: boolean): number {
      if (cipherInit(cipher, aes, null, key.aes, iv, encrypt ? 1 : 0) !== 1) return 0;
      return macParameters(mac, key.macParameters);
    },
  };
}

function bindErrors(bind: Bind): () => string {
  const next = bind('ulong ERR_get_error()');
  const reason = bind('str ERR_reason_error_string(ulong)');
  const clear = bind('void ERR_clear_error()');
  return () => {
    const code: number = next();
    if (code === 0) return '';
    const text: string | null = reason(code);
    clear();
    return text ?? `error ${code.toString(16)}`;
  };
}
