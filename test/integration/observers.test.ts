import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { freePorts } from '../support/ports.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const REGIONS = ['eu', 'us', 'ap'] as const;
const INTERVAL_MS = 500;

interface Status {
  readonly health: readonly {
    readonly target: string;
    readonly state: string;
    readonly basis: string;
    readonly observers: readonly {
      readonly observer: string;
      readonly view: string;
      readonly detail: string;
    }[];
  }[];
}

/** Three nodes that tell each other, and one endpoint of loopback. */
describe('DNS nodes that observe together', () => {
  const nodes: TestNode[] = [];
  let endpoint: Server;
  let port: number;

  const listen = () =>
    new Promise<void>((done) => {
      endpoint = createServer((socket) => socket.destroy());
      endpoint.listen(port, '127.0.0.1', done);
    });
  const healthOf = async (node: TestNode) => ((await node.get('/v1/status')) as Status).health[0]!;
  const views = async (node: TestNode) =>
    (await healthOf(node)).observers.map(({ observer, view }) => `${observer}=${view}`).toSorted();

  beforeAll(async () => {
    const ports = await freePorts(4);
    port = ports[3]!;
    await listen();
    const folders = REGIONS.map(() => temporaryFolder());
    const zone = `zone: observed.test
nameservers: { ns1: { A: 192.0.2.53 } }
monitors: { m: { type: tcp, port: ${port}, interval: ${INTERVAL_MS}ms, timeout: 250ms, min_observers: 2 } }
pools: { p: { monitor: m, endpoints: [{ A: 127.0.0.1 }] } }
records: { www: { type: A, ttl: 5, dynamic: { rules: [{ pool: p }] } } }
`;
    const started = REGIONS.map((region, i) =>
      startNode({
        folder: folders[i]!,
        zones: { 'a.yaml': zone },
        config: {
          node: { name: `dns-${region}`, region },
          api: { listen: `127.0.0.1:${ports[i]}` },
          report_to: REGIONS.flatMap((other, j) =>
            i === j
              ? []
              : [
                  {
                    url: `http://127.0.0.1:${ports[j]}`,
                    token_file: join(folders[j]!, 'state/report.token'),
                    node: `dns-${other}`,
                  },
                ],
          ),
        },
      }),
    );
    nodes.push(...(await Promise.all(started)));
  });

  afterAll(async () => {
    endpoint.close();
    await endPrograms();
    removeFolders();
  });

  it('have the views of all the others', async () => {
    for (const node of nodes) {
      await until('three views', async () => (await views(node)).every((view) => view.endsWith('=up')));
      expect(await views(node)).toHaveLength(3);
      expect(await node.metric('meridian_reports_total{result="accepted"}')).toBeGreaterThan(0);
    }
  });

  it('agree that an endpoint is gone within interval × fall + 3 s, and that it is back', async () => {
    await new Promise((done) => endpoint.close(done));
    const all = async (state: string) => {
      const found = await Promise.all(nodes.map(healthOf));
      return found.every((one) => one.state === state && one.basis === 'observers');
    };
    await until('down everywhere', () => all('down'), INTERVAL_MS * 3 + 3000);
    await listen();
    await until('up everywhere', () => all('up'), INTERVAL_MS * 2 + 3000);
  });

  it('leave out a node that ends at once, and hold the last verdict when too few are left', async () => {
    const [first, second, third] = nodes;
    await third!.program.end('SIGTERM');
    const viewOfThird = async () =>
      (await healthOf(first!)).observers.find(({ observer }) => observer === 'dns:dns-ap')!;
    await until('the view is gone', async () => (await viewOfThird()).view === 'unknown', 2000);
    expect((await viewOfThird()).detail).toBe('the node is shutting down');
    expect(await healthOf(first!)).toMatchObject({ state: 'up', basis: 'observers' });
    await second!.program.end('SIGKILL');
    await until('held', async () => (await healthOf(first!)).basis === 'held', 10_000);
    expect(await healthOf(first!)).toMatchObject({ state: 'up', basis: 'held' });
    expect(await first!.metric('meridian_health_targets{state="unknown"}')).toBe(1);
    expect(await first!.metric('meridian_reporter_fresh{node="dns-us"}')).toBe(0);
  });
});
