// A process that is killed: writes zones and steering for ever, and says what was acknowledged. Runs the built program's parts.
// Arguments: folder of zones, state folder, number of the next write.
import { writeSync } from 'node:fs';
import { join } from 'node:path';

const dist = new URL('../../dist/', import.meta.url);
const load = (path) => import(new URL(path, dist));
const { openRevisions } = await load('control/revisions.js');
const { ZoneFileRecorder } = await load('control/zone-file-recorder.js');
const { ZoneWriter } = await load('control/zone-writer.js');
const { DirectDesk } = await load('control/zone-desk.js');
const { ZoneList } = await load('control/zone-list.js');
const { FileSet } = await load('store/file-set.js');
const { loadZones } = await load('sources/zone-folder.js');

const [zones, state, first] = process.argv.slice(2);
const say = (line) => writeSync(1, `${line}\n`);
const files = new FileSet({ folder: zones, intent: join(state, 'zone-write.json'), bytesMax: 2 ** 24 });
const recovered = await files.recover();
if ('detail' in recovered) throw new Error(recovered.detail);
const limits = { revisionsMax: 40, bytesMax: 60_000 };
const opened = await openRevisions(join(state, 'journal'), { now: Date.now, log: console }, limits);
if ('detail' in opened) throw new Error(`${opened.code}: ${opened.detail}`);
const { book, recovery } = opened;
const { fault, entriesLost } = recovery.cut ?? {};
if (recovery.cut && (fault !== 'incomplete' || entriesLost > 0))
  say(`damage ${JSON.stringify(recovery.cut)}`);

let served = [];
const read = async () => {
  const loaded = await loadZones([zones]);
  served = loaded.zones.map(({ file, zone, version }) => ({ file, origin: zone.origin, version }));
  recorder.served(served);
};
const recorder = new ZoneFileRecorder(zones, { book, log: { info() {}, error: say } });
const writer = new ZoneWriter(
  { folder: zones },
  {
    files,
    desk: new DirectDesk(),
    revisions: book,
    served: () => new ZoneList(served),
    load: read,
    hold: () => recorder.hold(),
  },
);
await read();
await recorder.settled();

const zone = (name, n) => `zone: ${name}.test
nameservers: { ns1: { A: 192.0.2.53 } }
soa: { contact: hostmaster.${name}.test }
records: { n: { type: TXT, value: n${n} } }
`;
const about = (n) => ({ author: 'crash', message: `write ${n}`, source: 'api' });
say('ready');
for (let n = Number(first); ; n++) {
  if (n % 4 === 3) {
    const { source, ...rest } = about(n);
    const done = await book.append({ kind: 'steering', source, ...rest, steering: { n } });
    if ('code' in done) throw new Error(done.detail);
  } else {
    const changes = [['a.yaml', zone('a', n)], ...(n % 4 === 2 ? [['b.yaml', zone('b', n)]] : [])];
    const done = await writer.write(new Map(changes), about(n));
    if (done.outcome !== 'written') throw new Error(JSON.stringify(done));
  }
  say(`ack ${n}`);
}
