// The servers of bench:proxy, all with the same work: routes by host and path, forwarded headers, counters, an access log
// of one request in a hundred, kept connections to one endpoint. Each writer puts one server's configuration into a
// folder and gives the command that starts it. A key that this version of Meridian does not know is left out, and said.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const HOST = 'www.example.com';
const CONNECTIONS = 12_000;
/** Kept to the endpoint: as many as a case has clients. */
const UPSTREAM_IDLE = 1_024;
const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** A static server: `/small` is 100 bytes, `/large` 1 MB, and what is sent to it is thrown away. */
export function backendCommand(folder, port) {
  const home = join(folder, 'backend');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'large'), Buffer.alloc(1_000_000, 'x'));
  writeFileSync(join(home, 'small'), Buffer.alloc(100, 'x'));
  const locations = `
    root ${home}; keepalive_requests 1000000000; client_max_body_size 0; client_body_buffer_size 2m;
    location / { return 200 "${'x'.repeat(100)}"; }
    location /api/large { alias ${home}/large; }
    # The whole body is read before the answer.
    location /api/upload { proxy_pass http://127.0.0.1:${port}/; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_method GET; }`;
  const server = `server { listen 127.0.0.1:${port} reuseport backlog=4096; ${locations} }`;
  writeFileSync(
    join(home, 'nginx.conf'),
    nginxMain(home, `http { ${nginxTemp(home)} access_log off; sendfile on; ${server} }`),
  );
  return ['nginx', ['-p', home, '-c', join(home, 'nginx.conf'), '-g', 'daemon off; master_process off;']];
}

/**
 * `managed`: http with sessions by cookie, a breaker, retries, and a limit by address that nobody reaches.
 * `world`: { kind: 'http' | 'managed' | 'tcp' | 'tls', port, backend, certificate: { cert, key, both } | null, io }.
 */
export const CONFIGURE = {
  /** Meridian without what the others manage. */
  plain: (folder, world) => CONFIGURE.meridian(folder, { ...world, kind: 'http' }),

  meridian(folder, world) {
    const file = join(folder, 'proxy.yaml');
    const left = [];
    for (let config = meridianConfig(world); ; ) {
      writeFileSync(file, JSON.stringify(config, null, 1));
      const unknown = unknownKey(file, config);
      if (unknown === null) break;
      if (unknown === 'tls') return { skipped: 'it has no TLS yet' };
      left.push(unknown);
      config = { ...config, [unknown]: undefined };
    }
    return { command: [process.execPath, ['dist/main.js', 'proxy', '-c', file]], without: left };
  },

  haproxy(folder, { kind, port, backend, certificate }) {
    const file = join(folder, 'haproxy.cfg');
    const tls = kind === 'tls' ? ` ssl crt ${certificate.both} alpn http/1.1` : '';
    const http = `
  option forwardfor
  http-request deny if { path -m sub .. }
  http-request set-header X-Forwarded-Proto ${kind === 'tls' ? 'https' : 'http'}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Forwarded for=%[src];host=%[req.hdr(host)]
  http-request add-header Via "1.1 haproxy"
  http-response add-header Via "1.1 haproxy"
  http-request set-log-level silent unless { rand(100) lt 1 }
  option httplog${kind === 'managed' ? HAPROXY_LIMIT : ''}
  use_backend web if { hdr(host) -i ${HOST} } { path_beg /api/ }
  use_backend web if { path_beg /static/ }
  default_backend other`;
    writeFileSync(
      file,
      `global
  maxconn ${CONNECTIONS}
  nbthread 1
  no strict-limits
  log stdout format raw local0
  tune.ssl.default-dh-param 2048
defaults
  mode ${kind === 'tcp' ? 'tcp' : 'http'}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  maxconn ${CONNECTIONS}
  ${kind === 'tcp' ? '' : 'log global\n  http-reuse always'}
frontend main
  bind 127.0.0.1:${port}${tls} backlog 4096
  ${kind === 'tcp' ? 'default_backend web' : http}
backend web
${kind === 'managed' ? HAPROXY_BACKEND : ''}  server one 127.0.0.1:${backend} pool-max-conn ${UPSTREAM_IDLE}${kind === 'managed' ? ' cookie one check observe layer7 error-limit 10 on-error mark-down' : ''}
backend other
  server one 127.0.0.1:${backend}
`,
    );
    return { command: ['haproxy', ['-db', '-q', '-f', file]], without: [] };
  },

  nginx(folder, world) {
    if (world.kind === 'tcp' && !existsSync(STREAM_MODULE)) {
      return { skipped: 'without its stream module (Debian: libnginx-mod-stream)' };
    }
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, world.kind === 'tcp' ? nginxTcp(folder, world) : nginxHttp(folder, world));
    return {
      command: ['nginx', ['-p', folder, '-c', file, '-g', 'daemon off; master_process off;']],
      without: [],
    };
  },
};

/** Out of reach: the limit is counted, and never refuses. */
const LIMIT = 1_000_000;
const HAPROXY_LIMIT = `
  stick-table type ip size 1m expire 30s store http_req_rate(1s)
  http-request track-sc0 src
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${LIMIT} }`;
const HAPROXY_BACKEND = `  cookie SRV insert indirect nocache
  option redispatch
  retries 1
  retry-on conn-failure empty-response response-timeout 502 503 504
`;

function meridianConfig({ kind, port, backend, certificate, io }) {
  const listen = `127.0.0.1:${port}`;
  const routes = [
    { match: { host: HOST, path_prefix: '/api' }, pool: 'web' },
    { match: { path_prefix: '/static' }, pool: 'web' },
    { pool: 'other' },
  ];
  const pool = { endpoints: [{ address: `127.0.0.1:${backend}` }] };
  const http = { listen, protocol: 'http', routes };
  const tls = { certificates: [{ cert: certificate?.cert, key: certificate?.key }] };
  const listener = {
    tcp: { listen, protocol: 'tcp', pool: 'web' },
    http,
    managed: { ...http, rate_limits: ['per_client'] },
    tls: { ...http, tls },
  }[kind];
  const managed = { ...pool, sticky: { by: 'cookie' }, breaker: { consecutive: 10 }, retries: { max: 1 } };
  return {
    node: { name: 'bench', region: 'bench' },
    workers: 1,
    admin: { listen: '127.0.0.1:0' },
    listeners: [listener],
    ...(kind === 'managed' && { rate_limits: { per_client: { requests: LIMIT, per: '1s' } } }),
    pools: { web: kind === 'managed' ? managed : pool, other: pool },
    limits: { connections: CONNECTIONS, upstream_connections: 4_096, upstream_idle: UPSTREAM_IDLE },
    access_log: { sample: 0.01, file: './access.log' },
    ...(io === undefined ? {} : { io }),
  };
}

/** The key that this version refuses, from its own message, or null. */
function unknownKey(file, config) {
  // Refusing takes half a second; a proxy that runs is ended.
  const args = ['dist/main.js', 'proxy', '-c', file];
  const { stderr, status } = spawnSync(process.execPath, args, { timeout: 1500, killSignal: 'SIGKILL' });
  if (status === null || status === 0) return null;
  const message = stderr.toString();
  const optional = ['access_log', 'io'].filter((key) => config[key] !== undefined);
  const found = optional.find((key) => new RegExp(`\\b${key}\\b`).test(message));
  if (found !== undefined) return found;
  if (/\btls\b/.test(message)) return 'tls';
  throw new Error(`Meridian refuses its configuration: ${message}`);
}

function nginxMain(folder, rest) {
  return `worker_processes 1; error_log ${join(folder, 'error.log')} crit; pid ${join(folder, 'nginx.pid')};
worker_rlimit_nofile 20000;
events { worker_connections ${CONNECTIONS}; }
${rest}
`;
}

function nginxTemp(folder) {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(folder, name)};`)
    .join(' ');
}

function nginxHttp(folder, { kind, port, backend, certificate }) {
  const tls =
    kind === 'tls'
      ? `ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};
         ssl_session_tickets on; ssl_protocols TLSv1.2 TLSv1.3;`
      : '';
  const proxied = `proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
    proxy_set_header Forwarded "for=$remote_addr;host=$host;proto=$scheme"; proxy_set_header Via "1.1 nginx";
    proxy_request_buffering off; proxy_max_temp_file_size 0; client_max_body_size 0;`;
  return nginxMain(
    folder,
    `http { ${nginxTemp(folder)}
  split_clients $request_id $logged { 1% 1; * 0; }
  access_log ${join(folder, 'access.log')} combined if=$logged;
  keepalive_requests 1000000000; keepalive_timeout 60s;
  upstream web { server 127.0.0.1:${backend}; keepalive ${UPSTREAM_IDLE}; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port}${kind === 'tls' ? ' ssl' : ''} backlog=4096 default_server; server_name _; ${tls}
    location /static/ { ${proxied} }
    location / { ${proxied} }
  }
  server {
    listen 127.0.0.1:${port}${kind === 'tls' ? ' ssl' : ''}; server_name ${HOST}; ${tls}
    add_header Via "1.1 nginx";
    location /api/ { ${proxied} }
    location / { ${proxied} }
  }
}`,
  );
}

function nginxTcp(folder, { port, backend }) {
  const proxied = `server { listen 127.0.0.1:${port} backlog=4096; proxy_pass 127.0.0.1:${backend}; }`;
  return `load_module ${STREAM_MODULE};\n${nginxMain(folder, `stream { ${proxied} }`)}`;
}

/** A self-signed certificate for HOST, `type` ecdsa or rsa; null without openssl. */
export function makeCertificate(folder, type) {
  const files = {
    cert: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
    both: join(folder, 'both.pem'),
  };
  const algorithm =
    type === 'rsa' ? ['-newkey', 'rsa:2048'] : ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  const { status } = spawnSync('openssl', [
    ...['req', '-x509', ...algorithm, '-nodes', '-subj', `/CN=${HOST}`, '-days', '2'],
    ...['-addext', `subjectAltName=DNS:${HOST}`, '-keyout', files.key, '-out', files.cert],
  ]);
  if (status !== 0) return null;
  writeFileSync(files.both, readFileSync(files.cert, 'utf8') + readFileSync(files.key, 'utf8'));
  return files;
}
