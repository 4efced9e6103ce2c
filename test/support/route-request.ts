import type { FieldSource, Pattern, RouteFacts } from '../../src/core/http/route-match.js';

/** A request as routes see it: `GET shop.example.com /cart?x=1`, and its header lines. */
export function routeRequest(
  line: string,
  headers: readonly (readonly [name: string, value: string])[] = [],
): { readonly facts: RouteFacts; readonly fields: FieldSource } {
  const [method = 'GET', host = '', forwarded = '/'] = line.split(' ');
  const path = forwarded.split('?')[0]!;
  return {
    facts: { method, host: host === '-' ? null : host, target: { path, forwarded } },
    fields: {
      field(name, separator) {
        const values = headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
        return values.length === 0 ? null : values.join(separator);
      },
    },
  };
}

/** Stands in for the linear engine where a test is about something else. */
export function simplePattern(source: string): Pattern {
  const whole = new RegExp(`^(?:${source})$`);
  return {
    test: (text) => whole.test(text),
    groups: (text) => whole.exec(text)?.map((group) => group ?? '') ?? null,
  };
}
