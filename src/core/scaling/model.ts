/** How a proxy says whether it, and each of its pools, should grow. Plain data; times are milliseconds. */

export interface ScalingModel {
  /** For the proxy itself: parts that should be in use, 0 to 1. */
  readonly targets: { readonly cpu: number; readonly clientConnections: number };
  readonly behaviour: ScalingBehaviour;
  /** What a forecast is for: only to be shown, or also to have capacity ready in time. */
  readonly forecast: 'show' | 'use';
  /** File that keeps what forecasts have learned; absent: a restart forgets it. */
  readonly history?: string;
}

/** As the HorizontalPodAutoscaler of Kubernetes (autoscaling/v2, `behavior`), with a time to settle beside. */
export interface ScalingBehaviour {
  /** Usage that differs from its target by less than this part asks for nothing. */
  readonly tolerance: number;
  readonly up: ScalingDirection;
  readonly down: ScalingDirection;
  /** After capacity has changed, no more of the same is asked for: what is measured still tells of before. */
  readonly settleMs: number;
}

export interface ScalingDirection {
  /** All of this time has to ask for it; 0: at once. */
  readonly afterMs: number;
  /** Capacity is at most multiplied by this in `everyMs`: above 1 for up, below 1 for down. */
  readonly step: number;
  readonly everyMs: number;
}

/** What of a pool should be in use; what is absent does not count. */
export interface PoolScaling {
  /** Part of the connections to its endpoints. */
  readonly connections: number;
  /** Requests for each endpoint and second. */
  readonly requests?: number;
  /** Requests that wait, for each endpoint. */
  readonly queue: number;
  /** The 99th percentile, milliseconds. */
  readonly latencyMs?: number;
}

export const DEFAULT_POOL_SCALING: PoolScaling = { connections: 0.7, queue: 1 };

export const DEFAULT_SCALING: ScalingModel = {
  targets: { cpu: 0.7, clientConnections: 0.7 },
  behaviour: {
    tolerance: 0.1,
    up: { afterMs: 0, step: 2, everyMs: 60_000 },
    down: { afterMs: 300_000, step: 0.5, everyMs: 300_000 },
    settleMs: 120_000,
  },
  forecast: 'show',
};
