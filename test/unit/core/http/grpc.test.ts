import { describe, expect, it } from 'vitest';
import {
  grpcMessage,
  grpcPushbackMs,
  grpcStatusIn,
  grpcStatusOf,
  grpcTimeoutMs,
  httpStatusOfGrpc,
  isGrpc,
  LATER,
  verdictOfGrpcHead,
} from '../../../../src/core/http/grpc.js';

describe('isGrpc()', () => {
  it.each([
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['Application/gRPC; charset=utf-8', true],
    ['application/grpc+json;x=y', true],
    ['application/grpc-web', false],
    ['application/grpc-web+proto', false],
    ['application/grpcx', false],
    ['text/plain', false],
    [null, false],
  ])('%s: %s', (type, expected) => expect(isGrpc(type)).toBe(expected));
});

describe('httpStatusOfGrpc()', () => {
  it('is that of google.rpc.Code', () => {
    const statuses = Array.from({ length: 17 }, (_, code) => httpStatusOfGrpc(code));
    expect(statuses.slice(0, 9)).toEqual([200, 499, 500, 400, 504, 404, 409, 403, 429]);
    expect(statuses.slice(9)).toEqual([400, 409, 400, 501, 500, 503, 500, 401]);
    expect([httpStatusOfGrpc(17), httpStatusOfGrpc(99_999)]).toEqual([500, 500]);
  });
});

describe('verdictOfGrpcHead()', () => {
  it.each([
    [503, null, true, 503],
    [200, '14', true, 503],
    [200, '0', true, 200],
    [200, '0', false, 200],
    [200, null, true, 200],
    [200, null, false, LATER],
    [200, '14, 14', false, LATER],
    [200, '-1', false, LATER],
  ])('%i with grpc-status %s, ended %s: %i', (status, grpcStatus, ended, verdict) => {
    expect(verdictOfGrpcHead(status, grpcStatus, ended)).toBe(verdict);
  });
});

describe('grpcStatusIn() and grpcPushbackMs()', () => {
  it('read numbers, and nothing else', () => {
    expect(['7', '', '1e1', '999999', null].map(grpcStatusIn)).toEqual([7, null, null, null, null]);
    const never = Number.POSITIVE_INFINITY;
    expect(['20', '-1', 'soon', '9999999999', null].map(grpcPushbackMs)).toEqual([
      20,
      never,
      never,
      never,
      null,
    ]);
  });
});

describe('grpcTimeoutMs()', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['150m', 150],
    ['2000u', 2],
    ['5000000n', 5],
    ['99999999S', 99_999_999_000],
    ['123456789m', null],
    ['1', null],
    ['m', null],
    ['-1m', null],
    ['1.5S', null],
    ['1s', null],
    [null, null],
  ])('%s: %s', (text, ms) => {
    if (ms === null) expect(grpcTimeoutMs(text)).toBeNull();
    else expect(grpcTimeoutMs(text)).toBeCloseTo(ms);
  });
});

describe('grpcStatusOf()', () => {
  it.each([
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [405, 12],
    [408, 4],
    [429, 8],
    [431, 8],
    [502, 14],
    [503, 14],
    [504, 4],
    [500, 2],
  ])('%d is %d', (http, grpc) => expect(grpcStatusOf(http)).toBe(grpc));
});

describe('grpcMessage()', () => {
  it.each([
    ['plain text, 1/2', 'plain text, 1/2'],
    ['100 %', '100 %25'],
    ['a\r\nb: c', 'a%0D%0Ab: c'],
    ['é€😀', '%C3%A9%E2%82%AC%F0%9F%98%80'],
  ])('%j', (text, encoded) => {
    expect(grpcMessage(text)).toBe(encoded);
    expect(decodeURIComponent(encoded)).toBe(text);
  });
});
