import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMessage } from '../../src/core/dns/message.js';
import { digShort, isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { packet } from '../support/packet.js';
import { endPrograms, meridian } from '../support/process.js';
import { until } from '../support/until.js';

const EU = ['192.0.2.1', '192.0.2.2'] as const;
const US = '198.51.100.1';

// Nobody watches these endpoints: what changes an answer is steering alone.
const ZONE = `zone: steer.test
ttl: 5
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.steer.test }
regions: { eu: {} }
pools:
  eu: { region: eu, endpoints: [{ A: ${EU[0]} }, { A: ${EU[1]} }], fallback: us }
  us: { endpoints: [{ A: ${US} }] }
records: { www: { type: A, dynamic: { rules: [{ pool: eu }] } } }
`;

/** Answers to so many queries over UDP, each from a port of its own, so that all workers answer. */
async function shares(port: number, count: number): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  for (let done = 0; done < count; done += 50) {
    for (const address of await Promise.all(Array.from({ length: 50 }, (_, i) => ask(port, done + i)))) {
      found[address] = (found[address] ?? 0) + 1 / count;
    }
  }
  return found;
}

function ask(port: number, id: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const late = setTimeout(() => reject(new Error('no answer within 3 s')), 3000);
    const query = packet({ id, name: 'www.steer.test', type: 1, class: 1, flags: 0 });
    socket.once('message', (bytes) => {
      clearTimeout(late);
      socket.close();
      resolve(decodeMessage(bytes)?.answers[0]?.rdata ?? 'nothing');
    });
    socket.send(query, port, '127.0.0.1');
  });
}

const WORKERS = { dns: { workers: 2 } };

let node: TestNode;

beforeAll(async () => {
  node = await startNode({ zones: { 'steer.test.yaml': ZONE }, config: WORKERS });
});
afterAll(async () => {
  await endPrograms();
  removeFolders();
});

/** The output of a command about the node, which must succeed. */
async function order(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await command(...args);
  expect(`${code} ${stderr}`).toBe('0 ');
  return stdout;
}

function command(...args: readonly string[]) {
  return meridian([...args, '--api', node.api], {
    cwd: node.folder,
    env: { MERIDIAN_TOKEN: node.tokens.admin },
  });
}

describe('an operator', () => {
  it.skipIf(!isInstalled('dig', '-v'))('drains a pool, and the next answer goes elsewhere', async () => {
    const www = () => digShort({ port: node.port }, 'www.steer.test', 'A');
    expect(EU).toContain((await www())[0]);
    expect(await order('drain', 'steer.test/eu', '--reason', 'disk', '--for', '1h')).toMatch(
      /^steer\.test\/eu is drained \(1 pool, 2 addresses\); revision \d+\nTo undo it: meridian resume steer\.test\/eu\n$/,
    );
    expect(await www()).toEqual([US]);
    expect(await shares(node.port, 200)).toEqual({ [US]: expect.closeTo(1) });
    const shown = await order('steering');
    expect(shown).toMatch(
      /steer\.test\/eu +drain +1 pool, 2 addresses +\d{4}-[^()]+Z \(in \d+ min\) +admin +disk/,
    );
    expect(await order('explain', 'www.steer.test')).toContain(
      '192.0.2.1 is down: drained, really up, force of steer.test/eu by admin until ',
    );
    expect(await order('resume', 'steer.test/eu')).toContain('steer.test/eu is steered no more');
    expect(EU).toContain((await www())[0]);
  });

  it('dials a pool, and each worker gives it its part', async () => {
    await order('dial', 'region:eu', '30');
    const found = await shares(node.port, 1000);
    // Five standard deviations.
    expect(Math.abs((found[US] ?? 0) - 0.7)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / 1000));
    for (const address of EU) expect(Math.abs((found[address] ?? 0) - 0.15)).toBeLessThan(0.06);
    await order('dial', 'region:eu', '100');
    expect((await shares(node.port, 200))[US]).toBeUndefined();
  });

  it('opens a window that closes by itself', async () => {
    await order('maintenance', 'add', 'steer.test/eu/192.0.2.1', '--duration', '1500ms', '--action', 'down');
    expect((await shares(node.port, 100))[EU[0]]).toBeUndefined();
    expect(await order('maintenance', 'list')).toMatch(
      /^m1 +steer\.test\/eu\/192\.0\.2\.1 +down +open until/m,
    );
    await until('the window is closed', async () => (await shares(node.port, 50))[EU[0]] !== undefined);
    await until('it is gone', async () => (await order('maintenance', 'list')).split('\n').length === 2);
  });

  it('is told what is wrong, and what is near', async () => {
    const typo = await command('drain', 'steer.test/ue');
    expect([typo.code, typo.stderr]).toEqual([1, expect.stringContaining('did you mean steer.test/eu?')]);
    const none = await command('resume', 'steer.test/us');
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('meridian steering')]);
    const state = await command('force', 'off', 'steer.test/us');
    expect([state.code, state.stderr]).toEqual([2, expect.stringContaining('want up, down or auto')]);
    const percent = await command('dial', 'steer.test/us', '101');
    expect(percent.code).toBe(2);
  });
});

describe('a node that starts again', () => {
  it('answers the first query as it was steered', async () => {
    await order('force', 'down', 'steer.test/eu/192.0.2.1');
    await order('dial', 'steer.test/us', '50', '--over', '1h');
    const before = (await node.get('/v1/steering')) as { revision: number; document: object };
    await node.program.end('SIGKILL');
    node = await startNode({ folder: node.folder, config: WORKERS });
    expect(await ask(node.port, 1)).toBe(EU[1]);
    const after = (await node.get('/v1/steering')) as { revision: number; document: object };
    expect([after.revision, after.document]).toEqual([before.revision, before.document]);
  });

  it('marks zones that change, too', async () => {
    node.writeZone('steer.test.yaml', ZONE.replace(EU[1], '192.0.2.3'));
    // Each worker takes it up by itself.
    await until('the new zone', async () => ((await shares(node.port, 100))['192.0.2.3'] ?? 0) > 0.999);
    expect(await shares(node.port, 100)).toEqual({ '192.0.2.3': expect.closeTo(1) });
  });
});
