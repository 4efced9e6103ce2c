import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isInstalled } from '../support/dig.js';
import { removeFolders } from '../support/folder.js';
import { namespacesRefused } from '../support/namespaces.js';
import { endPrograms } from '../support/process.js';
import {
  PROBE,
  proxyAddress,
  REGIONS,
  type Region,
  RegionNetwork,
  type Views,
} from '../support/region-network.js';
import { type Answers, Timeline } from '../support/timeline.js';
import { until } from '../support/until.js';

const REPORT_MS = 2000;
/** A region, or an endpoint, that is dead is out within interval × fall + the report interval + 1 s. */
const OUT_MS = PROBE.intervalMs * PROBE.fall + REPORT_MS + 1000;
const BACK_MS = PROBE.intervalMs * PROBE.rise + REPORT_MS + 1000;
/** Where a link comes back: a report under way runs into its time limit first. */
const LINKED_MS = BACK_MS + REPORT_MS;
/** A view is fresh for three intervals of the reports; the rest is for the round that looks. */
const STALE_MS = 3 * REPORT_MS + 2500;

/** Three nodes see three proxies and six endpoints, and each proxy sees itself. */
const VIEWS = 3 * (3 + 6) + 3;
const HEALTHY = 'eu us ap | eu-1 us-1 ap-1';

const missing = isInstalled('dig', '-v') ? namespacesRefused() : 'no dig';

describe.skipIf(missing !== undefined)(
  `three regions in network namespaces${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let network: RegionNetwork;
    let timeline: Timeline;
    let hasFailed = false;
    let isWell = false;

    beforeAll(async () => {
      network = new RegionNetwork();
      timeline = new Timeline(network);
      await network.start();
      timeline.note('everything is started');
      timeline.watch();
    });

    afterAll(async () => {
      await timeline.close();
      if (hasFailed || process.env['MERIDIAN_TEST_TIMELINE']) {
        process.stdout.write(
          `\nweb-eu web-us web-ap | raw-eu raw-us raw-ap, of each node\n${timeline.text}\n`,
        );
      }
      network.close();
      await endPrograms();
      removeFolders();
    });

    // Whatever a test that failed left broken.
    beforeEach(async () => {
      if (!isWell) await network.restore().then(() => healthy(STALE_MS));
      isWell = false;
    });

    afterEach(({ task }) => {
      if (task.result?.state === 'fail') hasFailed = true;
    });

    const everywhere = (line: string): Answers => ({ eu: line, us: line, ap: line });

    async function healthy(withinMs: number): Promise<void> {
      await timeline.settled('all is well', everywhere(HEALTHY), withinMs);
      // The next fault must not meet a node that has not heard of the end of the last one yet.
      const hasHeard = async (region: Region) => {
        const views = [...(await network.views(region)).values()];
        return views.length === VIEWS && views.every((view) => view === 'up');
      };
      for (const region of REGIONS) await until(`dns-${region} sees all`, () => hasHeard(region), LINKED_MS);
      timeline.note('   all nodes know that all observers see all');
    }

    async function bringBack(withinMs: number): Promise<void> {
      timeline.event('everything is brought back');
      await network.restore();
      await healthy(withinMs);
      isWell = true;
    }

    /** Waits until a node has the views of `wanted`; each is `observer>address=view`. */
    async function viewsOf(region: Region, wanted: readonly string[]): Promise<void> {
      const isMissing = (views: Views) =>
        wanted.filter((one) => views.get(one.split('=')[0] ?? '') !== one.split('=')[1]);
      let left = wanted;
      const knows = async () => {
        left = isMissing(await network.views(region));
        return left.length === 0;
      };
      await until(`dns-${region} knows ${wanted.join(', ')}`, knows, STALE_MS).catch((error: Error) => {
        timeline.note(`too late: dns-${region} does not know ${left.join(', ')}`);
        throw error;
      });
      timeline.note(`   dns-${region} knows ${wanted.join(', ')}`);
    }

    /** Since the last event these nodes have answered nothing but what they answered before it. */
    function expectNoChange(...regions: readonly Region[]): void {
      for (const region of regions) expect(timeline.seen(region), `dns-${region}`).toEqual([HEALTHY]);
    }

    it('keep all regions where a DNS node is cut off, and that node holds its verdicts', async () => {
      timeline.event('the link of dns-eu is cut');
      network.cutNode('eu');
      await timeline.held('eu', 6, STALE_MS);
      expectNoChange('eu', 'us', 'ap');
      await bringBack(LINKED_MS);
      expectNoChange('eu', 'us', 'ap');
    });

    it('lose a region that is cut off, which itself holds what it knew of the others', async () => {
      timeline.event('the link of region us is cut');
      network.cutRegion('us');
      const out = 'eu ap ap | eu-1 ap-1 ap-1';
      await timeline.settled('us is out for the majority', { eu: out, ap: out }, OUT_MS);
      await timeline.held('us', 6, STALE_MS);
      expectNoChange('us');
      await bringBack(LINKED_MS);
    });

    it('lose a region whose proxy is killed, and its endpoints stay', async () => {
      await network.kill('ap', 'proxy');
      timeline.event('proxy-ap is killed');
      await timeline.settled('ap is out', everywhere('eu us eu | eu-1 us-1 ap-1'), OUT_MS);
      await bringBack(BACK_MS);
    });

    it('lose a region whose endpoints are all killed', async () => {
      await Promise.all([network.kill('eu', 'endpoint-1'), network.kill('eu', 'endpoint-2')]);
      timeline.event('both endpoints of eu are killed');
      await timeline.settled('eu is out', everywhere('us us ap | us-1 us-1 ap-1'), OUT_MS);
      await bringBack(BACK_MS);
    });

    it('keep all regions where packets of one to another are lost', async () => {
      timeline.event('what us sends to eu is lost');
      network.blackhole('us', 'eu');
      const [eu, us] = [proxyAddress('eu'), proxyAddress('us')];
      // Replies are lost too: neither sees the other, and ap sees both.
      await viewsOf('ap', [`dns:dns-us>${eu}=down`, `dns:dns-eu>${us}=down`]);
      await viewsOf('us', [`probe>${eu}=down`, `dns:dns-ap>${eu}=up`]);
      await viewsOf('eu', [`probe>${us}=down`, `dns:dns-ap>${us}=up`]);
      expectNoChange('eu', 'us', 'ap');
      await bringBack(LINKED_MS);
      expectNoChange('eu', 'us', 'ap');
    });

    it('leave an endpoint that is slow, and a region where all of them are', async () => {
      network.slowDown('us', 'endpoint-1');
      timeline.event('the first endpoint of us answers after the time limit');
      await timeline.settled('us-1 is out', everywhere('eu us ap | eu-1 us-2 ap-1'), OUT_MS);
      network.slowDown('us', 'endpoint-2');
      timeline.event('the second one too');
      await timeline.settled('us is out', everywhere('eu ap ap | eu-1 ap-1 ap-1'), OUT_MS);
      await bringBack(BACK_MS);
    });

    it('are served by the region that is left, and come back all at once', async () => {
      network.cutRegion('ap');
      await Promise.all([network.kill('us', 'endpoint-1'), network.kill('us', 'endpoint-2')]);
      timeline.event('the link of region ap is cut, and the endpoints of us are killed');
      const left = 'eu eu eu | eu-1 eu-1 eu-1';
      await timeline.settled('only eu is left', { eu: left, us: left }, OUT_MS);
      expectNoChange('ap');
      await bringBack(LINKED_MS);
    });
  },
);
