import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { removeFolders, temporaryFolder } from '../support/folder.js';
import { startNode, type TestNode } from '../support/node.js';
import { endPrograms } from '../support/process.js';
import { until } from '../support/until.js';

const TIMES = 'interval: 500ms, timeout: 400ms, fall: 1, rise: 1';

/** A zone with one pool, whose endpoint 127.0.0.1 is watched by `monitor`. */
const zone = (name: string, monitor: string) => `zone: ${name}
nameservers: { ns1: { A: 127.0.0.1 } }
soa: { contact: hostmaster.${name} }
monitors:
  own: { ${monitor}, ${TIMES} }
pools: { here: { monitor: own, endpoints: [{ A: 127.0.0.1 }] } }
records: { www: { type: A, dynamic: { rules: [{ pool: here }] } } }
`;

interface Status {
  readonly problems: readonly string[];
  readonly health: readonly {
    readonly state: string;
    readonly observers: readonly { readonly detail: string }[];
  }[];
}

const status = (node: TestNode) => node.get('/v1/status') as Promise<Status>;

/** What the only target of the node is, and why. */
async function target(node: TestNode): Promise<string> {
  const [only] = (await status(node)).health;
  return `${only?.state}: ${only?.observers[0]?.detail}`;
}

/** A folder with a program that is up while the file `fine` is there, and a folder of states. */
function host() {
  const folder = temporaryFolder();
  const program = join(folder, 'check');
  writeFileSync(
    program,
    `#!/bin/sh\ntest -e ${join(folder, 'fine')} && echo "all $1" || { echo none; exit 3; }\n`,
  );
  chmodSync(program, 0o755);
  mkdirSync(join(folder, 'states'));
  return { folder, program, fine: join(folder, 'fine'), states: join(folder, 'states') };
}

describe('probes of a server', () => {
  afterEach(endPrograms);
  afterAll(removeFolders);

  it('run the programs that its configuration lists, and follow what they say', async () => {
    const { program, fine } = host();
    const node = await startNode({
      zones: { 'a.yaml': zone('exec.test', `type: exec, program: ${program}, args: ["{address}"]`) },
      env: { MERIDIAN_PROBES_PROGRAMS: program },
    });
    await until('down', async () => (await target(node)) === 'down: exit 3: none');
    writeFileSync(fine, '');
    await until('up', async () => (await target(node)) === 'up: all 127.0.0.1');
    rmSync(fine);
    await until('down again', async () => (await target(node)) === 'down: exit 3: none');
  });

  it('read the files in its folders', async () => {
    const { states } = host();
    writeFileSync(join(states, '127.0.0.1'), 'up 3 of 3\n');
    const node = await startNode({
      zones: { 'a.yaml': zone('file.test', `type: file, path: "${states}/{address}", max_age: 1h`) },
      env: { MERIDIAN_PROBES_FOLDERS: states },
    });
    await until('up', async () => (await target(node)) === 'up: 3 of 3');
    writeFileSync(join(states, '127.0.0.1'), 'down for the night\n');
    await until('down', async () => (await target(node)) === 'down: for the night');
  });

  it('are refused with the zone, by line and column, where it lists nothing; also after it listed more', async () => {
    const { program, folder } = host();
    const zones = { 'a.yaml': zone('exec.test', `type: exec, program: ${program}`) };
    const allowed = await startNode({ folder, zones, env: { MERIDIAN_PROBES_PROGRAMS: program } });
    expect((await status(allowed)).problems).toEqual([]);
    await endPrograms();
    // A last good version of the zone is in the state folder now: it must not be served either.
    const node = await startNode({ folder });
    const { problems, health } = await status(node);
    expect(problems).toEqual([
      expect.stringMatching(/zones\/a\.yaml:5:\d+: monitors\.own\.program: is not allowed on this server/),
    ]);
    expect(health).toEqual([]);
  });

  it('reach only the networks that it allows', async () => {
    const connections: string[] = [];
    const server = createServer(() => connections.push('one'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const node = await startNode({
      zones: { 'a.yaml': zone('tcp.test', `type: tcp, port: ${port}`) },
      env: { MERIDIAN_PROBES_NETWORKS_DENY: '127.0.0.0/8' },
    });
    const detail = '127.0.0.1 is not among the networks that may be probed (probes.networks)';
    // It is no fault of the endpoint: nothing is known of it, and the log says why.
    await until('a line in the log', () => node.program.output.includes(`can't probe 127.0.0.1: ${detail}`));
    expect((await status(node)).health).toMatchObject([{ state: 'up', basis: 'held' }]);
    expect(await node.metric('meridian_probes_total{result="impossible"}')).toBeGreaterThan(0);
    expect(connections).toEqual([]);
    server.close();
  });
});
