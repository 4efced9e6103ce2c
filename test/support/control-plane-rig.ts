import { ControlPlane } from '../../src/control/control-plane.js';
import { type BusEvent, EventBus } from '../../src/control/event-bus.js';
import { HealthWatch } from '../../src/control/health-watch.js';
import { memoryRevisions, type RevisionBook } from '../../src/control/revisions.js';
import { RolloutPools } from '../../src/control/rollout-pools.js';
import { Rollouts } from '../../src/control/rollouts.js';
import { Steering } from '../../src/control/steering.js';
import { SteeringMarks } from '../../src/control/steering-marks.js';
import { ZoneLoader } from '../../src/control/zone-loader.js';
import type { Snapshot } from '../../src/core/answer/snapshot.js';
import type { Check } from '../../src/probe/probe.js';
import type { Problem } from '../../src/sources/yaml-document.js';
import { loadZoneFile } from '../../src/sources/zone-file.js';
import type { LoadedZone, LoadedZones } from '../../src/sources/zone-folder.js';
import { ManualTime } from './manual-time.js';
import { wireOf } from './packet.js';
import { addressOf } from './query-rig.js';

/** A control plane whose probes, clock and workers are the test's. */
export class ControlRig {
  readonly time: ManualTime = new ManualTime();
  readonly published: Snapshot[] = [];
  readonly logged: string[] = [];
  readonly probed: string[] = [];
  /** For probes that fail in another way than by their host. */
  isDown: (host: string, check: Check) => boolean = () => false;
  /** Hosts whose probes fail. */
  readonly down: Set<string> = new Set();
  readonly health: HealthWatch;
  readonly book: RevisionBook;
  readonly steering: Steering;
  readonly rollouts: Rollouts;
  /** What was published on the bus of rollouts. */
  readonly events: BusEvent[] = [];
  readonly control: ControlPlane;
  /** Called with each snapshot; `publish` waits for what it returns. */
  onPublish: (snapshot: Snapshot) => Promise<void> = () => Promise.resolve();

  /** `book`: one that lives longer than this control plane. */
  constructor(book?: RevisionBook) {
    const { time } = this;
    this.book = book ?? memoryRevisions({ now: time.clock });
    const note = (facts: object, message: string) =>
      void this.logged.push(`${message} ${JSON.stringify(facts)}`);
    const log = { info: note, warn: note, error: note };
    this.health = new HealthWatch({
      probe: async (host, check) => {
        this.probed.push(host);
        const ok = !this.down.has(host) && !this.isDown(host, check);
        return { ok, detail: ok ? 'status 200' : 'refused', elapsedMs: 1 };
      },
      now: time.clock,
      monotonic: time.clock,
      timers: time,
      random: () => 0,
      log,
    });
    this.steering = new Steering({
      book: this.book,
      marks: new SteeringMarks(),
      words: this.health.table,
      now: time.clock,
      timers: time,
      log,
    });
    const bus = new EventBus(time.clock);
    bus.listen((event) => this.events.push(event));
    this.rollouts = new Rollouts({
      steering: this.steering,
      pools: new RolloutPools(this.steering.marks, this.health),
      reports: () => this.health.proxyReports,
      now: time.clock,
      timers: time,
      log,
      events: bus,
    });
    this.control = new ControlPlane({
      health: this.health,
      steering: this.steering,
      rollouts: this.rollouts,
      loader: new ZoneLoader({ now: time.clock }),
      publish: (snapshot) => {
        this.published.push(snapshot);
        return this.onPublish(snapshot);
      },
      now: time.clock,
      log,
    });
  }

  /** Loads files as if they had been read from a folder, and lets time pass until that is done. */
  async load(files: Readonly<Record<string, string>>): Promise<void> {
    await this.settle(this.control.loadZones(loadedFrom(files)));
  }

  /** Moves time on until a promise settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const mark = () => {
      done = true;
    };
    promise.then(mark, mark);
    for (let i = 0; i < 100 && !done; i++) await this.time.advance(50);
    if (!done) throw new Error('did not settle within five seconds of the test clock');
    return promise;
  }

  /** The addresses that a client gets now. */
  answer(name: string, source = '192.0.2.200'): readonly string[] {
    const explained = this.control.explain({
      name: wireOf(name),
      type: 1,
      source: addressOf(source),
      seed: 1,
    });
    return explained.rcode === 'NOERROR' ? explained.answers.map(({ rdata }) => rdata) : [explained.rcode];
  }

  close(): void {
    this.rollouts.close();
    this.steering.close();
    this.health.close();
  }
}

/** What `loadZones` of a folder with these files gives. */
export function loadedFrom(files: Readonly<Record<string, string>>): LoadedZones {
  const zones: LoadedZone[] = [];
  const problems: Problem[] = [];
  for (const [file, text] of Object.entries(files)) {
    const result = loadZoneFile(file, text);
    if ('problems' in result) problems.push(...result.problems);
    else zones.push({ file, text, zone: result.zone, version: text });
  }
  return { zones, problems, files: Object.keys(files), unreadable: [] };
}
