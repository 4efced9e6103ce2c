/** The examples of the documents for limits and lists, and one limit over all workers, as programs. */
import { connect } from 'node:http2';
import { afterEach, expect, it } from 'vitest';
import { endProxyPrograms, startProxyProgram } from '../support/proxy-program.js';
import { proxyRecipe } from '../support/proxy-recipe.js';
import { client, endAll, httpBackend, ok, waitFor } from './proxy-rig.js';

afterEach(async () => {
  await endProxyPrograms();
  await endAll();
});

const GET = 'GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n';

async function backendPort(): Promise<number> {
  return httpBackend(() => ok('fine'));
}

async function statusesOf(
  port: number,
  path: string,
  count: number,
  fields = '',
): Promise<readonly string[]> {
  const asking = client(port);
  const request = `GET ${path} HTTP/1.1\r\nHost: shop.example.com\r\n${fields}\r\n`;
  const answers = () => asking.text.match(/HTTP\/1\.1 \d+/g) ?? [];
  await asking.send(request.repeat(count)).until(() => answers().length === count);
  return answers().map((line) => line.slice(-3));
}

it('limits clients, keys and routes as the example of the documents says', async () => {
  const more = proxyRecipe('## Limits of clients', await backendPort());
  const { port, metric } = await startProxyProgram({ io: 'batched', ports: [9], more });
  expect(await statusesOf(port, '/login', 6)).toEqual(['200', '200', '200', '200', '200', '429']);
  expect(await statusesOf(port, '/api', 12, 'X-Api-Key: abc\r\n')).toEqual(new Array(12).fill('200'));
  expect((await statusesOf(port, '/', 150)).filter((status) => status === '429').length).toBeGreaterThan(20);
  expect(await metric('rate_limit_requests_total', 'limit="try_out"', 'would_refuse')).toBeGreaterThan(0);
  expect(await metric('rate_limit_requests_total', 'limit="per_key"', 'passed')).toBe(12);
});

it('keeps clients away as the example of the documents says', async () => {
  const edit = (text: string) => text.replace('127.0.0.0/8', '127.9.0.0/16');
  const more = proxyRecipe('### Who may connect', await backendPort(), edit);
  const { port, metric } = await startProxyProgram({ io: 'portable', ports: [9], more });
  expect([await statusesOf(port, '/admin', 1), await statusesOf(port, '/', 1)]).toEqual([['403'], ['200']]);
  expect(await metric('rate_limit_requests_total', 'connections of 127.0.0.1', 'passed')).toBeGreaterThan(1);
});

it('is one limit over all workers, and over HTTP/2 too', async () => {
  const backend = await backendPort();
  const listener = { rate_limits: ['all'], http2: 'on' };
  const more = { workers: 2, rate_limits: { all: { requests: 20, per: '1h', key: ['host'] } } };
  const proxy = await startProxyProgram({ io: 'batched', ports: [backend], listener, more });
  const clients = Array.from({ length: 6 }, () => client(proxy.port).send(GET.repeat(5)));
  const answers = () =>
    clients
      .map(({ text }) => text)
      .join('')
      .match(/HTTP\/1\.1 \d+/g) ?? [];
  await waitFor(() => answers().length === 30, 'all answers');
  expect(answers().filter((line) => line.endsWith('200'))).toHaveLength(20);

  const session = connect(`http://127.0.0.1:${proxy.port}`);
  const stream = session.request({ ':path': '/', ':authority': 'shop.example.com' });
  const headers = await new Promise<Record<string, unknown>>((resolve) => {
    stream.on('response', (fields) => resolve({ ...fields }));
  });
  session.destroy();
  expect(headers).toMatchObject({ ':status': 429, 'retry-after': '180', ratelimit: '"all";r=0;t=180' });
});
