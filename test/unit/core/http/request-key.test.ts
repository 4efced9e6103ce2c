import { describe, expect, it } from 'vitest';
import { hashText, NO_KEY } from '../../../../src/core/balance/hash.js';
import type { HashSource } from '../../../../src/core/balance/model.js';
import { Head } from '../../../../src/core/http/head.js';
import { judgeRequest, type RequestFacts } from '../../../../src/core/http/hygiene.js';
import { requestKey } from '../../../../src/core/http/request-key.js';

function factsOf(head: Head): RequestFacts {
  const facts = judgeRequest(head);
  if (!facts.ok) throw new Error(facts.message);
  return facts;
}

function keyOf(source: HashSource, address: string, ...lines: string[]): number {
  const head = headOf(...lines);
  return requestKey(source, head, factsOf(head), address);
}

function headOf(...lines: string[]): Head {
  const text = ['GET /a?b HTTP/1.1', 'Host: a.example', ...lines, '', ''].join('\r\n');
  const head = new Head('request');
  // Not at the start of its buffer, and not at the end: as in a window.
  const bytes = Buffer.from(`junk;${text}; user=body`, 'latin1');
  if (head.parse(bytes, 5, bytes.length) <= 0) throw new Error('no head');
  return head;
}

describe('requestKey()', () => {
  it('is the hash of the address or the path', () => {
    expect(keyOf({ key: 'address' }, '192.0.2.1')).toBe(hashText('192.0.2.1'));
    expect(keyOf({ key: 'path' }, '192.0.2.1')).toBe(hashText('/a'));
  });

  it.each<[string, readonly string[], string | null]>([
    ['the value', ['X-User: ada'], 'ada'],
    ['whatever the case of the name', ['x-USER: Ada'], 'Ada'],
    ['the first of several', ['X-User: ada', 'X-User: bob'], 'ada'],
    ['nothing if it is missing', ['X-Users: ada'], null],
    ['nothing if it is empty', ['X-User:'], null],
  ])('takes of a header %s', (_, lines, value) => {
    const key = keyOf({ key: 'header', name: 'x-user' }, '', ...lines);
    expect(key).toBe(value === null ? NO_KEY : hashText(value));
  });

  it.each<[string, readonly string[], string | null]>([
    ['the only one', ['Cookie: user=ada'], 'ada'],
    ['one among others', ['Cookie: a=1; user=ada; b=2'], 'ada'],
    ['one without spaces around', ['Cookie: a=1;user=ada;b'], 'ada'],
    ['a value with an equals sign', ['Cookie: user=a=b'], 'a=b'],
    ['one in a second line', ['Cookie: a=1', 'Cookie: user=ada'], 'ada'],
    ['the first of two', ['Cookie: user=ada; user=bob'], 'ada'],
    ['nothing of a longer name', ['Cookie: xuser=ada; userx=ada'], null],
    ['nothing of another case', ['Cookie: User=ada'], null],
    ['nothing if it is empty', ['Cookie: user='], null],
    ['nothing of a value that looks like it', ['Cookie: a="user=ada'], null],
    ['nothing without cookies', [], null],
  ])('takes of cookies %s', (_, lines, value) => {
    const key = keyOf({ key: 'cookie', name: 'user' }, '', ...lines);
    expect(key).toBe(value === null ? NO_KEY : hashText(value));
  });
});
