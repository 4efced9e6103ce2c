import { describe, expect, it } from 'vitest';
import { createNameRoutes } from '../../../../src/core/tls/name-routes.js';

const routes = createNameRoutes([
  { name: 'www.example.com', to: 'exact' },
  { name: '*.example.com', to: 'below' },
  { name: '*.eu.example.com', to: 'deeper' },
  { name: '*.example.com', to: 'second' },
  { name: 'Mixed.Example.ORG', to: 'mixed' },
]);

describe('createNameRoutes()', () => {
  it.each([
    ['www.example.com', 'exact'],
    ['api.example.com', 'below'],
    ['a.b.c.example.com', 'below'],
    ['a.eu.example.com', 'deeper'],
    ['eu.example.com', 'below'],
    ['mixed.example.org', 'mixed'],
    ['example.com', undefined],
    ['badexample.com', undefined],
    ['com', undefined],
    ['', undefined],
  ])('%s leads to %s', (name, expected) => {
    expect(routes.find(name)).toBe(expected);
  });
});
