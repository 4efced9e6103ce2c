import { Counter, Gauge, Registry } from 'prom-client';
import type { Reporter } from '../report/reporter.js';
import type { ListenerCounters } from './counters.js';
import type { RegionalProxy } from './regional-proxy.js';

/**
 * The proxy's metrics in a registry of their own. The byte paths only bump plain numbers; the values are read
 * at the moment of a scrape.
 */
export function proxyMetrics(proxy: RegionalProxy, reporter: Reporter): Registry {
  const registry = new Registry();
  listenerMetrics(registry, proxy);
  endpointMetrics(registry, proxy);
  new Counter({
    name: 'meridian_proxy_reports_total',
    help: 'Reports to DNS nodes, by receiver and result',
    labelNames: ['receiver', 'result'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { url, sent, failed } of reporter.status()) {
        this.inc({ receiver: url, result: 'ok' }, sent);
        this.inc({ receiver: url, result: 'failed' }, failed);
      }
    },
  });
  return registry;
}

const LISTENER_COUNTERS: readonly (readonly [
  name: string,
  help: string,
  read: (counters: ListenerCounters) => number,
])[] = [
  ['connections_total', 'Client connections accepted', (c) => c.connections],
  ['connections_refused_total', 'Client connections beyond the limit', (c) => c.refused],
  ['responses_aborted_total', 'Responses cut because the endpoint broke off', (c) => c.aborted],
  ['received_bytes_total', 'Bytes received from clients', (c) => c.bytesIn],
  ['sent_bytes_total', 'Bytes sent to clients', (c) => c.bytesOut],
];

function listenerMetrics(registry: Registry, proxy: RegionalProxy): void {
  for (const [name, help, read] of LISTENER_COUNTERS) {
    new Counter({
      name: `meridian_proxy_${name}`,
      help,
      labelNames: ['listener'],
      registers: [registry],
      collect() {
        this.reset();
        for (const counters of proxy.counters()) this.inc({ listener: counters.listener }, read(counters));
      },
    });
  }
  new Gauge({
    name: 'meridian_proxy_connections_active',
    help: 'Client connections open now',
    labelNames: ['listener'],
    registers: [registry],
    collect() {
      for (const { listener, active } of proxy.counters()) this.set({ listener }, active);
    },
  });
  new Counter({
    name: 'meridian_proxy_requests_total',
    help: 'HTTP requests answered, by listener, pool (empty: refused before routing) and status class',
    labelNames: ['listener', 'pool', 'status'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { listener, routed, unrouted } of proxy.counters()) {
        for (const [pool, classes] of [['', unrouted] as const, ...routed]) {
          classes.forEach((count, i) => {
            if (count > 0) this.inc({ listener, pool, status: `${i}xx` }, count);
          });
        }
      }
    },
  });
}

function endpointMetrics(registry: Registry, proxy: RegionalProxy): void {
  const labelNames = ['pool', 'endpoint'] as const;
  const gauges = [
    ['endpoint_up', '1 if the endpoint is up', 'up'],
    ['endpoint_connections', 'Connections to the endpoint, idle ones included', 'connections'],
    ['endpoint_connections_idle', 'Idle connections kept to the endpoint', 'idle'],
  ] as const;
  for (const [name, help, field] of gauges) {
    new Gauge({
      name: `meridian_proxy_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        for (const [pool, { endpoints }] of proxy.pools) {
          for (const endpoint of endpoints)
            this.set({ pool, endpoint: endpoint.name }, Number(endpoint[field]));
        }
      },
    });
  }
  new Counter({
    name: 'meridian_proxy_upstream_connect_failures_total',
    help: 'Connections to the endpoint that failed or timed out',
    labelNames,
    registers: [registry],
    collect() {
      this.reset();
      for (const [pool, { endpoints }] of proxy.pools) {
        for (const { name, connectFailures } of endpoints)
          this.inc({ pool, endpoint: name }, connectFailures);
      }
    },
  });
}
