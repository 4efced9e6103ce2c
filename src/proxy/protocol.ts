import type { MessagePort } from 'node:worker_threads';
import type { ProxyModel } from '../core/balance/model.js';
import type { WorkerPlace } from '../core/balance/worker-share.js';
import type { DescriptorSet } from '../io/descriptor-set.js';
import type { CellPlan } from './cell-book.js';
import type { NameAddresses } from './endpoint-names.js';
import type { ProxyOrder } from './endpoint-orders.js';
import type { ServedKinds } from './h2/http2-listener.js';
import type { ProtectionPlan } from './limit/protection.js';
import type { ListenFailure } from './listening.js';
import type { SharedRouting } from './shared-routing.js';
import type { StickyMemory } from './sticky.js';
import type { ProxyTls } from './tls.js';

/** What a worker of the proxy is started with. */
export interface ProxyWorkerStart {
  readonly model: ProxyModel;
  readonly io: 'batched' | 'portable';
  readonly place: WorkerPlace;
  readonly serves: ServedKinds;
  readonly verdicts: readonly Verdict[];
  readonly tls: ProxyTls;
  /** Of endpoints that are given by name. */
  readonly names: readonly NameAddresses[];
  readonly orders: readonly ProxyOrder[];
  /** Where it counts. */
  readonly cells: SharedArrayBuffer;
  readonly plan: CellPlan;
  /** Of sessions; all workers have the same. */
  readonly sticky: StickyMemory;
  /** The ring of its access log; null where none is kept. */
  readonly access: SharedArrayBuffer | null;
  /** To the thread that compresses; null where this thread can do it itself. */
  readonly encoders: MessagePort | null;
  /** Limits and lists; null while there are none. */
  readonly protection: ProtectionPlan | null;
  readonly sharing: SharedRouting;
}

/** What the checks say of an endpoint. */
export interface Verdict {
  readonly pool: string;
  /** Index of the endpoint in its pool. */
  readonly endpoint: number;
  readonly up: boolean;
  readonly detail: string;
}

/** Another configuration for a worker that runs. */
export interface NewModel {
  readonly model: ProxyModel;
  readonly tls: ProxyTls;
  readonly plan: CellPlan;
  readonly verdicts: readonly Verdict[];
  readonly orders: readonly ProxyOrder[];
  readonly protection: ProtectionPlan | null;
}

export type ToProxyWorker =
  | { readonly type: 'verdict'; readonly verdict: Verdict }
  | { readonly type: 'order'; readonly order: ProxyOrder }
  /** An active check was good, which ends an ejection. */
  | { readonly type: 'passed'; readonly pool: string; readonly endpoint: number }
  | { readonly type: 'addresses'; readonly found: NameAddresses }
  /** Answered by `published` with the same number, once its cells tell the counts of now. */
  | { readonly type: 'publish'; readonly id: number }
  /** Answered by `applied` with the same number. */
  | ({ readonly type: 'model'; readonly id: number } & NewModel)
  /** Lists of clients, by other databases. */
  | { readonly type: 'protection'; readonly plan: ProtectionPlan }
  /** For the next handshakes. */
  | { readonly type: 'tls'; readonly tls: ProxyTls }
  /** Answered by `drained`, when the last connection is gone. */
  | { readonly type: 'drain' }
  /** Another thread compresses from now on. */
  | { readonly type: 'encoders'; readonly port: MessagePort }
  | { readonly type: 'stop' };

export type FromProxyWorker =
  | {
      readonly type: 'serving';
      /** Of the eventfd that wakes the thread; -1 if messages wake it. */
      readonly wakeFd: number;
      /** In the order of the configuration's listeners. */
      readonly ports: readonly number[];
      /** To be closed if the thread dies. */
      readonly descriptors: readonly number[];
      readonly connections: DescriptorSet | undefined;
    }
  | { readonly type: 'failed'; readonly failures: readonly ListenFailure[] }
  /** `busy`: part of the time since the last one in which the thread worked, 0 to 1. */
  | { readonly type: 'published'; readonly id: number; readonly busy: number }
  /** An endpoint can be used again, or can't, in this worker's eyes. */
  | {
      readonly type: 'change';
      readonly pool: string;
      readonly endpoint: string;
      readonly up: boolean;
      readonly detail: string;
    }
  | { readonly type: 'applied'; readonly id: number; readonly failures: readonly ListenFailure[] }
  | { readonly type: 'drained' }
  | { readonly type: 'closed' };
