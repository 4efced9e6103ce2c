import { fileURLToPath } from 'node:url';

/** What `meridian demo` can be told. Apart from the demo itself, so that the command line need not load that. */
export interface DemoOptions {
  readonly dnsPort: number;
  readonly apiPort: number;
  readonly httpPort: number;
  readonly endpointPort: number;
  readonly proxyAdminPort: number;
  readonly switchPort: number;
  readonly zones: string;
  readonly state: string;
}

export const DEMO_DEFAULTS: DemoOptions = {
  dnsPort: 5300,
  apiPort: 8300,
  httpPort: 8080,
  endpointPort: 9000,
  proxyAdminPort: 8301,
  switchPort: 8302,
  zones: fileURLToPath(new URL('../../zones/demo', import.meta.url)),
  state: 'state',
};
