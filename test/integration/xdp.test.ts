import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { packet } from '../support/packet.js';
import { endPrograms, MERIDIAN } from '../support/process.js';
import { until } from '../support/until.js';
import {
  INTERFACE,
  SERVER,
  SERVER_V6,
  XdpNetwork,
  type XdpNode,
  xdpRefused,
} from '../support/xdp-network.js';

const ROOT = resolve(import.meta.dirname, '../..');
const IGNORED = `meridian_dns_xdp_ignored_total{interface="${INTERFACE}"}`;
const QUEUES = `meridian_dns_xdp_queues{interface="${INTERFACE}"}`;
const QUERY = packet({ name: 'www.example.com' });
/** Of responses, the number of answers. */
const answersIn = (bytes: Uint8Array) => (bytes[6] ?? 0) * 256 + (bytes[7] ?? 0);

const refused = isInstalled('dig', '-v') ? xdpRefused() : 'no dig';
const missing = existsSync(MERIDIAN) ? refused : 'no dist/';
const skipped = missing === undefined ? '' : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`a DNS node that reads its network card${skipped}`, () => {
  let network: XdpNetwork;
  let node: XdpNode;

  beforeAll(async () => {
    network = new XdpNetwork();
    node = await network.start();
    await network.byXdp(SERVER);
  });

  afterAll(async () => {
    await endPrograms();
    network.close();
    removeFolders();
  });

  /** What `act` did to the counters: queries answered, and datagrams that came to sockets. */
  async function counted(act: () => Promise<unknown>) {
    const before = [await node.asked(), await network.socketDatagrams()] as const;
    await act();
    const after = [await node.asked(), await network.socketDatagrams()] as const;
    return { asked: after[0] - before[0], bySockets: after[1] - before[1] };
  }

  it('says so in its status and metrics', async () => {
    expect(await node.xdp()).toEqual([{ interface: INTERFACE, queues: 1 }]);
    expect(await node.glance()).toMatch(new RegExp(`^XDP on ${INTERFACE}: 1 queue$`, 'm'));
    expect(await node.metric(QUEUES)).toBe(1);
    expect(await network.hasProgram()).toBe(true);
  });

  it.each([
    ['IPv4', SERVER],
    ['IPv6', SERVER_V6],
  ])('answers over %s, and the sockets get nothing of it', async (_, host) => {
    const { asked, bySockets } = await counted(async () => {
      for (let i = 0; i < 5; i++) {
        const text = await network.dig(host, 'www.example.com', '+nsid', '+subnet=198.51.100.0/24');
        expect(text).toMatch(/status: NOERROR/);
        expect(text).toMatch(/www\.example\.com\.\s+\d+\s+IN\s+A\s+192\.0\.2\.1/);
        expect(text).toMatch(/NSID: .*dns-8300/);
        expect(text).toMatch(/CLIENT-SUBNET: 198\.51\.100\.0\/24/);
      }
    });
    expect({ asked, bySockets }).toEqual({ asked: 5, bySockets: 0 });
  });

  it('answers what a parallel client asks, each query once', async () => {
    const queries = Array.from({ length: 200 }, (_, id) => packet({ id, name: 'www.example.com' }));
    const replies = await network.send(SERVER, queries, 2000);
    expect(new Set(replies.map((reply) => reply[0]! * 256 + reply[1]!)).size).toBe(200);
    expect(replies.map(answersIn).every((count) => count === 1)).toBe(true);
    expect(replies).toHaveLength(200);
  });

  it('cuts answers that are too large, which then come over TCP', async () => {
    const cut = await network.dig(SERVER, 'big.example.com', 'TXT', '+ignore', '+bufsize=4096');
    expect(cut).toMatch(/flags: [a-z ]*\btc\b/);
    const whole = await network.dig(SERVER, 'big.example.com', 'TXT');
    expect(whole).toMatch(/ANSWER: 40\b/);
  });

  it.skipIf(!isInstalled('kdig', '-V'))('is understood by kdig', async () => {
    const args = ['+retry=0', '+timeout=3', '+edns', '+cookie', 'www.example.com', 'A'];
    const { stdout } = await network.inside('client', 'kdig', `@${SERVER_V6}`, ...args);
    expect(stdout).toContain('192.0.2.1');
  });

  it('drops and counts what is no query', async () => {
    const before = await node.metric(IGNORED);
    const junk = [Uint8Array.of(1, 2, 3), packet({ flags: 0x8180 }), new Uint8Array(11)];
    const { asked, bySockets } = await counted(async () => {
      expect(await network.send(SERVER, junk)).toEqual([]);
      expect(await network.send(SERVER_V6, junk)).toEqual([]);
    });
    expect({ asked, bySockets }).toEqual({ asked: 0, bySockets: 0 });
    expect(await node.metric(IGNORED)).toBe(before + 6);
  });

  it('leaves other addresses of the host alone, whoever listens there', async () => {
    network.ip('server', `addr add 10.78.0.3/24 dev ${INTERFACE}`);
    const echo = await network.echo('10.78.0.3');
    const before = await node.metric(IGNORED);
    const sent = [QUERY, packet({ flags: 0x8180 }), Uint8Array.of(7)];
    const replies = await network.send('10.78.0.3', sent);
    const texts = (some: readonly Uint8Array[]) =>
      some.map((one) => Buffer.from(one).toString('hex')).toSorted();
    expect(texts(replies)).toEqual(texts(sent));
    expect(await node.metric(IGNORED)).toBe(before);
    await echo.end();
  });

  it('gets fragments by its sockets', async () => {
    network.ip('client', 'link set dev cli0 mtu 1280');
    const padding = new Array<number>(1300).fill(0);
    const query = packet({ name: 'www.example.com', opts: [{ payload: 1232, options: [[12, padding]] }] });
    const { asked, bySockets } = await counted(async () => {
      const replies = await network.send(SERVER, [query]);
      expect(replies.map(answersIn)).toEqual([1]);
    });
    network.ip('client', 'link set dev cli0 mtu 1500');
    expect({ asked, bySockets }).toEqual({ asked: 1, bySockets: 1 });
  });

  it('keeps a second node off the interface, which says why and serves by sockets', async () => {
    network.ip('server', `addr add 10.78.0.4/24 dev ${INTERFACE}`);
    const second = await network.start({ listen: ['10.78.0.4:53'], api: 8301 });
    const problem = 'cannot attach the XDP program: EBUSY';
    expect(await second.xdp()).toEqual([{ interface: INTERFACE, queues: 0, problem }]);
    expect(await second.metric(QUEUES)).toBe(0);
    expect(second.program.output).toMatch(/"level":"?(error|50)"?.*EBUSY.*no XDP here/);
    expect(await network.dig('10.78.0.4', 'www.example.com')).toContain('192.0.2.1');
    await second.program.end();
    await network.byXdp(SERVER);
  });

  it('takes its program away when it ends, and is gone at once when it is killed', async () => {
    expect((await node.program.end()).code).toBe(0);
    expect(await network.hasProgram()).toBe(false);
    node = await network.start();
    expect(await network.hasProgram()).toBe(true);
    await node.program.end('SIGKILL');
    await until('the program is gone', async () => !(await network.hasProgram()));
    node = await network.start();
    await network.byXdp(SERVER_V6);
  });
});

describe.skipIf(missing !== undefined)(`XDP of a DNS node${skipped}`, () => {
  let network: XdpNetwork;

  afterEach(async () => {
    await endPrograms();
    network.close();
    removeFolders();
  });

  it('follows the addresses of the host where the node listens at all of them', async () => {
    network = new XdpNetwork();
    await network.start({ listen: ['0.0.0.0:53', '[::]:53'] });
    await network.byXdp(SERVER);
    await network.byXdp(SERVER_V6);
    network.ip(
      'server',
      `addr add 10.78.0.9/24 dev ${INTERFACE}`,
      `addr add fd78::9/64 dev ${INTERFACE} nodad`,
    );
    expect(await network.dig('10.78.0.9', 'www.example.com')).toContain('192.0.2.1');
    await network.byXdp('10.78.0.9');
    await network.byXdp('fd78::9');
    network.ip('server', `addr del 10.78.0.9/24 dev ${INTERFACE}`);
    expect(await network.dig(SERVER, 'www.example.com')).toContain('192.0.2.1');
  });

  it.each(['generic', 'native'])('comes in mode %s', async (mode) => {
    network = new XdpNetwork();
    const node = await network.start({ mode });
    expect(await node.xdp()).toEqual([{ interface: INTERFACE, queues: 1 }]);
    const { stdout } = await network.inside('server', 'ip', 'link', 'show', INTERFACE);
    expect(/ xdpgeneric\b/.test(stdout)).toBe(mode === 'generic');
    await network.byXdp(SERVER);
    await network.byXdp(SERVER_V6);
  });

  it('does without an interface that is not there, and says so', async () => {
    network = new XdpNetwork();
    const node = await network.start({ interfaces: ['nothing0', INTERFACE] });
    const problem = 'there is no interface nothing0 (ENOENT)';
    expect(await node.xdp()).toEqual([
      { interface: INTERFACE, queues: 1 },
      { interface: 'nothing0', queues: 0, problem },
    ]);
    expect(await node.metric('meridian_dns_xdp_queues{interface="nothing0"}')).toBe(0);
    expect(node.program.output).toContain(problem);
    await network.byXdp(SERVER);
  });

  it.skipIf(!isInstalled('setpriv', '-V'))(
    'needs the rights of the drop-in for systemd, and no more',
    async () => {
      network = new XdpNetwork();
      const drop = readFileSync(join(ROOT, 'deploy/systemd/meridian-dns-xdp.conf'), 'utf8');
      const extra = /^CapabilityBoundingSet=(.*)$/m.exec(drop)?.[1]?.toLowerCase().split(' ') ?? [];
      const rights = (...names: readonly string[]) => {
        const set = ['-all', ...names.map((name) => name.replace('cap_', '+'))].join(',');
        return ['setpriv', '--bounding-set', set, '--no-new-privs'];
      };
      const memory = ['prlimit', `--memlock=${8 * 1024 * 1024}`];
      const problemOf = async (...prefix: readonly string[]) => {
        const node = await network.start({ prefix });
        const [status] = await node.xdp();
        await node.program.end();
        return status?.problem;
      };
      const all = rights('cap_net_bind_service', ...extra);
      expect(extra).toHaveLength(3);
      expect(await problemOf(...memory, ...all)).toBeUndefined();
      const denied = await problemOf(
        ...memory,
        ...rights('cap_net_bind_service', 'cap_net_admin', 'cap_net_raw'),
      );
      expect(denied).toBe('cannot make a BPF map: EPERM');
      const small = await problemOf('prlimit', '--memlock=65536', ...all);
      expect(small).toBe(`cannot take queue 0 of ${INTERFACE}: ENOBUFS`);
    },
  );

  it('divides two queues among two workers, and goes on when one of them dies', async () => {
    network = new XdpNetwork(2);
    const node = await network.start({ workers: 2 });
    expect(await node.metric(QUEUES)).toBe(2);
    const queries = Array.from({ length: 100 }, (_, id) => packet({ id, name: 'www.example.com' }));
    const ask = async () => {
      const before = await network.socketDatagrams();
      const replies = await network.send(SERVER, queries, 1500);
      return { replies: replies.length, bySockets: (await network.socketDatagrams()) - before };
    };
    expect(await ask()).toEqual({ replies: 100, bySockets: 0 });
    for (let death = 1; death <= 3; death++) {
      node.program.kill('SIGUSR2');
      // Perhaps in the gap: at most what was with the dead one is lost.
      await network.send(SERVER, queries, 100);
      await until(
        'it was replaced',
        async () => (await node.metric('meridian_worker_restarts_total')) === death,
      );
      await until('its queue is served', async () => {
        const { replies, bySockets } = await ask();
        return replies === 100 && bySockets === 0;
      });
    }
  });
});
