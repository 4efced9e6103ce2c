import { describe, expect, it } from 'vitest';
import { type AdmissionModel, DEFAULT_SHARES, PRIORITIES } from '../../../src/core/limit/admission.js';
import { LISTENER_CELL } from '../../../src/proxy/cells.js';
import { ListenerCounters } from '../../../src/proxy/counters.js';
import { RequestAdmission } from '../../../src/proxy/request-admission.js';
import { drawsOf } from '../../support/pick-context.js';
import { routeRequest } from '../../support/route-request.js';

const MODEL: AdmissionModel = {
  inFlightMax: 100,
  shares: DEFAULT_SHARES,
  classes: [
    { match: { pathPrefix: '/checkout' }, priority: 'high' },
    {
      match: {
        pathPrefix: '/',
        values: [{ from: 'header', name: 'user-agent', test: { kind: 'pattern', pattern: '(?i).*bot.*' } }],
      },
      priority: 'low',
    },
    { match: { pathPrefix: '/', pathExact: '/healthz' }, priority: 'critical' },
  ],
  fallback: 'normal',
  retryAfterSeconds: 10,
};

function rig(model = MODEL) {
  const counters = new ListenerCounters('127.0.0.1:80');
  const admission = new RequestAdmission(model, counters, drawsOf(1));
  const check = (line: string, agent = 'Firefox') => {
    const { facts, fields } = routeRequest(line, [['User-Agent', agent]]);
    return admission.check(fields, facts);
  };
  const shed = () => PRIORITIES.map((_, i) => counters.cells[LISTENER_CELL.SHED + i]);
  return { counters, check, shed };
}

describe('RequestAdmission', () => {
  it.each([
    ['GET a /healthz', 'Firefox', 100],
    ['GET a /checkout/pay', 'Firefox', 95],
    ['GET a /news', 'Firefox', 90],
    ['GET a /news', 'A Bot 1.0', 75],
    // In the order of routes: a longer path comes first.
    ['GET a /checkout', 'A Bot 1.0', 95],
    // Too long for a pattern to judge: it fits no class, and is no better off than others.
    ['GET a /news', `bot ${'x'.repeat(5000)}`, 90],
  ])('takes %s of %.10s up to its share', (line, agent, places) => {
    const { counters, check } = rig();
    counters.inFlight = places - 1;
    expect(check(line, agent)).toBeNull();
    counters.inFlight = places;
    expect(check(line, agent)?.reason).toBe('shed');
  });

  it('counts what is shed by priority', () => {
    const { counters, check, shed } = rig();
    counters.inFlight = 97;
    for (const line of ['GET a /healthz', 'GET a /checkout', 'GET a /', 'GET a /x']) check(line);
    check('GET a /', 'bot');
    expect(shed()).toEqual([0, 1, 2, 1]);
  });

  it('answers 503 with a Retry-After that differs, from what is written to twice that', () => {
    const { counters, check } = rig();
    counters.inFlight = 100;
    const waits = Array.from({ length: 64 }, () => {
      const reply = check('GET a /')!;
      expect(reply.status).toBe(503);
      const text = Buffer.from(reply.bytes({ close: false, toHead: false })).toString();
      expect(text).toMatch(
        /^HTTP\/1\.1 503 .*\r\n[\s\S]*Cache-Control: no-store\r\n[\s\S]*keep-alive\r\n\r\n503 /,
      );
      return Number(/Retry-After: (\d+)\r/.exec(text)![1]);
    });
    expect(Math.min(...waits)).toBe(10);
    expect(Math.max(...waits)).toBe(20);
    expect(new Set(waits).size).toBe(8);
  });
});
