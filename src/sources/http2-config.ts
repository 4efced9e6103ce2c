import type { PoolModel } from '../core/balance/model.js';
import type { ProxyFile } from './proxy-schema.js';
import { namedPools } from './route-split-config.js';

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;
type ListenerFile = NonNullable<ProxyFile['listeners']>[number];

/** What a listener says of HTTP/2; nothing where it says nothing. */
export function http2Of({ http2 }: ListenerFile): { readonly http2?: boolean } {
  return http2 === undefined ? {} : { http2: http2 === 'on' };
}

/** `http2` is of use to HTTP alone, and endpoints that speak it are reached from listeners that do. */
export function checkHttp2(
  listeners: readonly ListenerFile[],
  pools: readonly PoolModel[],
  report: Report,
): void {
  const speaking = new Map(pools.map(({ name, protocol = 'h1' }) => [name, protocol]));
  listeners.forEach((listener, i) => {
    const path = ['listeners', i];
    if (listener.protocol !== 'http') {
      if (listener.http2 !== undefined) report([...path, 'http2'], 'http2 is only for protocol http');
      return;
    }
    if (listener.http2 === 'on') return;
    for (const [pool, at] of poolsOf(listener, path)) {
      const protocol = speaking.get(pool) ?? 'h1';
      if (protocol === 'h1') continue;
      report(at, `pool "${pool}" has protocol ${protocol}: the listener needs http2: on`);
    }
  });
}

function poolsOf(listener: ListenerFile, path: Path): readonly (readonly [pool: string, at: Path])[] {
  const own = listener.pool === undefined ? [] : [[listener.pool, [...path, 'pool']] as const];
  const routed = (listener.routes ?? []).flatMap((route, i) => namedPools(route, [...path, 'routes', i]));
  return [...own, ...routed];
}
