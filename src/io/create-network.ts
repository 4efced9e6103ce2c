import { loadLinux } from './batched/linux.js';
import { BatchedNetwork } from './batched/network.js';
import type { DescriptorSet } from './descriptor-set.js';
import type { Network } from './network.js';
import { PortableNetwork } from './portable/network.js';

/** A network and the loop that runs it. */
export interface RunningNetwork {
  readonly network: Network;
  /** Serves until `stop`; blocks the thread meanwhile in the batched tier. */
  run(): Promise<void>;
  /**
   * From within a handler or event: serves nothing before `work` is done. In the batched tier a promise goes on only
   * while the thread waits for it.
   */
  pauseFor(work: Promise<void>): void;
  /** From within a handler or event: closes everything; `run` returns. */
  stop(): void;
  /** See Tier. */
  readonly wakeFd: number;
  descriptors(): readonly number[];
  readonly connections: DescriptorSet | undefined;
}

/** `woken`: a message may be waiting for this thread (batched tier). Throws an Error if the tier is not available. */
export function createNetwork(
  name: 'batched' | 'portable',
  modules: { readonly clock: () => number; readonly woken: () => void },
): RunningNetwork {
  return name === 'batched' ? batched(modules) : portable(modules);
}

function batched(modules: { readonly clock: () => number; readonly woken: () => void }): RunningNetwork {
  const linux = loadLinux();
  if ('unavailable' in linux) throw new Error(linux.unavailable);
  const network = new BatchedNetwork({ linux, ...modules });
  let stopped = false;
  let pause: Promise<void> | null = null;
  return {
    network,
    async run() {
      try {
        while (!stopped) {
          network.loop.turn();
          if (pause === null) continue;
          const work: Promise<void> = pause;
          pause = null;
          await work;
        }
      } finally {
        network.close();
      }
    },
    pauseFor(work) {
      pause = pause === null ? work : pause.then(() => work);
    },
    stop() {
      stopped = true;
    },
    wakeFd: network.wakeFd,
    descriptors: () => network.descriptors,
    connections: network.connections,
  };
}

function portable({ clock }: { readonly clock: () => number }): RunningNetwork {
  const network = new PortableNetwork({ clock });
  let finish: () => void = () => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return {
    network,
    run: () => finished,
    pauseFor() {},
    stop() {
      network.close();
      finish();
    },
    wakeFd: -1,
    descriptors: () => [],
    connections: undefined,
  };
}
