import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';

/** The first example of docs/proxy.md under a heading, on loopback and in front of one endpoint. */
export function proxyRecipe(
  heading: string,
  endpoint: number,
  edit: (text: string) => string = (text) => text,
): ProxyRecipe {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/proxy.md'), 'utf8');
  const part = page.slice(page.indexOf(`\n${heading}\n`));
  const text = edit(/```yaml\n([\s\S]*?)```/.exec(part)![1]!);
  const moved = text.replace(/listen: "[\d.]+:8080"/, 'listen: "127.0.0.1:0"');
  return parse(moved.replace(/address: "[\d.:]+"/, `address: "127.0.0.1:${endpoint}"`)) as ProxyRecipe;
}

export interface ProxyRecipe {
  readonly rate_limits: Readonly<Record<string, object>>;
  readonly peers: object;
}
