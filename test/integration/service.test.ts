import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AF, loadLinux, SOCK } from '../../src/io/batched/linux.js';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { freePorts } from '../support/ports.js';
import { endPrograms, startMeridian } from '../support/process.js';
import { until } from '../support/until.js';

afterEach(async () => {
  await endPrograms();
  removeFolders();
});

const linux = loadLinux();

/** A service manager: a Unix socket that takes datagrams. */
function manager(): { readonly path: string; readonly said: () => readonly string[] } {
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  const path = join(temporaryFolder(), 'notify');
  const address = Buffer.concat([Uint8Array.of(AF.UNIX, 0), Buffer.from(path), Uint8Array.of(0)]);
  const fd = linux.socket(AF.UNIX, SOCK.DGRAM | SOCK.CLOEXEC | SOCK.NONBLOCK, 0);
  if (linux.bind(fd, address, address.length) < 0) throw new Error(`errno ${linux.errno()}`);
  const memory = linux.allocate(2048);
  const all: string[] = [];
  const said = (): readonly string[] => {
    for (;;) {
      const length = linux.recv(fd, memory.address, 2048, 0);
      if (length < 0) return all;
      all.push(Buffer.from(memory.buffer, 0, length).toString());
    }
  };
  return { path, said };
}

const ZONE = `zone: serve.test
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.serve.test }
records: { www: { type: A, value: 192.0.2.1 } }
`;

describe.skipIf('unavailable' in linux)('a unit of Type=notify', () => {
  it('hears from a DNS node: ready, alive, reloading, ready again, stopping', async () => {
    const { path, said } = manager();
    const cwd = temporaryFolder();
    mkdirSync(join(cwd, 'zones'));
    writeFileSync(join(cwd, 'zones/serve.test.yaml'), ZONE);
    const [dns, api] = await freePorts(2);
    const program = await startMeridian(['serve'], /"msg":"serving"|serving/, {
      cwd,
      env: {
        NOTIFY_SOCKET: path,
        WATCHDOG_USEC: '300000',
        MERIDIAN_NODE_NAME: 'dns-1',
        MERIDIAN_DNS_LISTEN: `127.0.0.1:${dns}`,
        MERIDIAN_API_LISTEN: `127.0.0.1:${api}`,
      },
    });
    await until('three signs of life', () => said().filter((text) => text === 'WATCHDOG=1').length >= 3);
    expect(said()[0]).toBe('READY=1');
    program.kill('SIGHUP');
    await until('the end of a reload', () => said().filter((text) => text === 'READY=1').length === 2);
    expect(said().findLast((text) => text.startsWith('RELOADING'))).toMatch(
      /^RELOADING=1\nMONOTONIC_USEC=\d+$/,
    );
    await program.end();
    expect(said().at(-1)).toBe('STOPPING=1');
  });

  it('hears from a proxy, too', async () => {
    const { path, said } = manager();
    const cwd = temporaryFolder();
    const [port, endpoint] = await freePorts(2);
    const config = `node: { name: p1, region: r1 }
admin: { listen: off }
listeners: [ { listen: "127.0.0.1:${port}", protocol: http, pool: web } ]
pools: { web: { endpoints: [ { address: "127.0.0.1:${endpoint}" } ] } }
`;
    writeFileSync(join(cwd, 'proxy.yaml'), config);
    const program = await startMeridian(['proxy'], /proxying/, {
      cwd,
      env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '300000' },
    });
    await until('a sign of life', () => said().includes('WATCHDOG=1'));
    expect(said()[0]).toBe('READY=1');
    await program.end();
    expect(said()).toContain('STOPPING=1');
  });
});
