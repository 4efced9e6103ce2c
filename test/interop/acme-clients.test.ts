import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AcmeAuthority, startAuthority } from '../support/acme-authority.js';
import { digShort, isInstalled } from '../support/dig.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { type Ended, endPrograms, meridian, run } from '../support/process.js';
import { until } from '../support/until.js';

const missing = [
  ['pebble', '-h'],
  ['lego', '--version'],
  ['certbot', '--version'],
  ['curl', '--version'],
  ['openssl', 'version'],
].flatMap(([tool, flag]) => (isInstalled(tool!, flag!) ? [] : [tool!]));
const TITLE = `unchanged ACME clients${missing.length > 0 ? ` (skipped: no ${missing.join(', no ')})` : ''}`;

const ZONE = (records: string) => `zone: gslb.test
ttl: 30
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.gslb.test, minimum: 60 }
records:
  www: { type: A, value: 127.0.0.1 }
  "*.apps": { type: A, value: 127.0.0.1 }
${records}`;

/**
 * What the hooks for acme-dns do, with the library that the usual one for certbot takes: register where the storage has
 * no account yet, store it, update. Neither request says its type of content.
 */
const HOOK = `import json, os, requests, sys
storage, url = STORAGE, URL
if len(sys.argv) > 3 and sys.argv[1] != 'present':
    sys.exit(0)
domain = os.environ.get('CERTBOT_DOMAIN') or sys.argv[2].rstrip('.').replace('_acme-challenge.', '', 1)
value = os.environ.get('CERTBOT_VALIDATION') or sys.argv[3]
accounts = json.load(open(storage)) if os.path.exists(storage) else {}
if domain not in accounts:
    made = requests.post(url + '/register')
    if made.status_code != 201:
        sys.exit('registration refused: %d %s' % (made.status_code, made.text))
    accounts[domain] = made.json()
    json.dump(accounts, open(storage, 'w'))
account = accounts[domain]
update = {'subdomain': account['subdomain'], 'txt': value}
headers = {'X-Api-User': account['username'], 'X-Api-Key': account['password']}
done = requests.post(url + '/update', headers=headers, data=json.dumps(update))
if done.status_code != 200 or done.json()['txt'] != value:
    sys.exit('update refused: %d %s' % (done.status_code, done.text))
`;

function hookFor(folder: string, storage: string, url: string): string {
  const file = join(folder, 'hook');
  const text = HOOK.replace('STORAGE', JSON.stringify(storage)).replace('URL', JSON.stringify(url));
  writeFileSync(file, `#!/usr/bin/env python3\n${text}`, { mode: 0o755 });
  return file;
}

interface Stored {
  readonly fulldomain: string;
  readonly subdomain: string;
  readonly username: string;
  readonly password: string;
}

describe.skipIf(missing.length > 0)(TITLE, () => {
  let node: TestNode;
  let authority: AcmeAuthority;
  beforeAll(async () => {
    node = await startNode({
      zones: { 'gslb.test.yaml': ZONE('') },
      config: { acme: { domain: 'auth.gslb.test' } },
    });
    authority = await startAuthority(node.port);
  });
  afterAll(async () => {
    await endPrograms();
    removeFolders();
  });

  const add = (name: string, storage: string) =>
    meridian(['acme', 'add', name, '--storage', storage, '--api', node.api], { cwd: node.folder });

  const lego = (folder: string, hook: string, ...domains: readonly string[]): Promise<Ended> => {
    const names = domains.flatMap((domain) => ['--domains', domain]);
    const args = [
      '--path',
      folder,
      '--server',
      authority.directory,
      '--accept-tos',
      '--email',
      'a@gslb.test',
    ];
    const dns = ['--dns', 'exec', '--dns.disable-cp', '--dns.resolvers', `127.0.0.1:${node.port}`];
    return run('lego', [...args, ...names, ...dns, 'run'], {
      env: {
        EXEC_PATH: hook,
        EXEC_SEQUENCE_INTERVAL: '1',
        EXEC_POLLING_INTERVAL: '1',
        LEGO_CA_CERTIFICATES: authority.trust,
      },
    });
  };

  const certbot = (folder: string, hook: string, ...domains: readonly string[]): Promise<Ended> => {
    const folders = ['config', 'work', 'logs'].flatMap((kind) => {
      mkdirSync(join(folder, kind), { recursive: true });
      return [`--${kind}-dir`, join(folder, kind)];
    });
    const names = domains.flatMap((domain) => ['-d', domain]);
    const how = ['--manual', '--preferred-challenges', 'dns', '--manual-auth-hook', hook];
    const who = ['--agree-tos', '-m', 'a@gslb.test', '--no-eff-email', '-n', '--server', authority.directory];
    return run('certbot', ['certonly', ...how, ...who, ...names, ...folders], {
      env: { REQUESTS_CA_BUNDLE: authority.trust },
    });
  };

  it('lego gets a certificate for a wildcard without a CNAME', async () => {
    const folder = temporaryFolder();
    const storage = join(folder, 'accounts.json');
    expect(await add('*.apps.gslb.test', storage)).toMatchObject({ code: 0 });
    const ended = await lego(folder, hookFor(folder, storage, node.api), '*.apps.gslb.test');
    expect(ended.stderr).toContain('Server responded with a certificate');
    const certificate = new X509Certificate(readFileSync(join(folder, 'certificates/_.apps.gslb.test.crt')));
    expect(certificate.subjectAltName).toBe('DNS:*.apps.gslb.test');
    expect(await node.metric('meridian_acme_updates_total{result="done"}')).toBe(1);
  });

  it('certbot registers once, with a token in the URL, and its CNAME is followed', {
    timeout: 120_000,
  }, async () => {
    const folder = temporaryFolder();
    const storage = join(folder, 'acmedns.json');
    const refused = await certbot(folder, hookFor(folder, storage, node.api), 'www.gslb.test');
    expect(refused.stdout + refused.stderr).toContain('registration refused: 401 {"error": "forbidden"}');
    const url = node.api.replace('http://', `http://acme:${node.tokens.admin}@`);
    const hook = hookFor(folder, storage, url);
    const first = await certbot(folder, hook, 'www.gslb.test');
    expect(first.stdout + first.stderr).toContain('Some challenges have failed');
    const accounts = JSON.parse(readFileSync(storage, 'utf8')) as Record<string, Stored>;
    const { fulldomain, subdomain } = accounts['www.gslb.test']!;
    expect(fulldomain).toBe(`${subdomain}.auth.gslb.test`);
    node.writeZone('gslb.test.yaml', ZONE(`  _acme-challenge.www: { type: CNAME, value: ${fulldomain}. }\n`));
    const cname = () => digShort(node, '_acme-challenge.www.gslb.test', 'CNAME');
    await until('the CNAME is served', async () => (await cname()).join().includes(subdomain));
    const second = await certbot(folder, hook, 'www.gslb.test', '*.www.gslb.test');
    expect(second.stdout + second.stderr).toContain('Successfully received certificate');
    const certificate = readFileSync(join(folder, 'config/live/www.gslb.test/cert.pem'));
    expect(new X509Certificate(certificate).subjectAltName).toContain('DNS:*.www.gslb.test');
    expect(await node.metric('meridian_acme_registrations_total{result="done"}')).toBe(2);
  });

  it('curl registers and updates as the README of acme-dns shows', () => {
    const curl = (path: string, ...args: readonly string[]) =>
      execFileSync('curl', ['-s', '-w', ' %{http_code}', ...args, `${node.api}${path}`], {
        encoding: 'utf8',
      });
    expect(curl('/health')).toBe(' 200');
    const registered = curl('/register', '-X', 'POST', '-u', `any:${node.tokens.admin}`);
    expect(registered).toMatch(/ 201$/);
    const account = JSON.parse(registered.replace(/ 201$/, '')) as Stored;
    const txt = '___validation_token_received_from_the_ca___';
    const headers = ['-H', `X-Api-User: ${account.username}`, '-H', `X-Api-Key: ${account.password}`];
    const body = JSON.stringify({ subdomain: account.subdomain, txt });
    expect(curl('/update', ...headers, '-d', body)).toBe(`{"txt": "${txt}"} 200`);
  });
});
