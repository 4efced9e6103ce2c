import { COUNTER } from '../core/answer/counters.js';
import { isTrusted, type TrustedPrefix } from '../core/proxy-protocol/trusted.js';
import { createProxyHeader, readProxyHeader } from '../core/proxy-protocol/v2.js';
import type { DatagramHandler } from '../io/tier.js';

/**
 * Takes the PROXY header (`core/proxy-protocol/v2.ts`) from datagrams of trusted senders and hands the query behind it
 * to `answer`, with the client that the header names. The answer goes to the proxy, without a header. A trusted sender
 * without a whole header gets no answer: to guess would let clients choose who they are. Others' datagrams pass as
 * they are.
 */
export function proxiedDatagrams(
  answer: DatagramHandler,
  trusted: readonly TrustedPrefix[],
  counters: Float64Array,
): DatagramHandler {
  const header = createProxyHeader();
  return (input, start, end, output, base, source, sourceAt, family) => {
    if (!isTrusted(trusted, source, sourceAt, family)) {
      return answer(input, start, end, output, base, source, sourceAt, family);
    }
    const length = readProxyHeader(input, start, end, header);
    if (length <= 0) {
      counters[COUNTER.PROXY_REFUSED] = counters[COUNTER.PROXY_REFUSED]! + 1;
      return 0;
    }
    let from = start + length;
    let to = end;
    // Answers are written over their queries: both must begin at one place.
    if (input === output) {
      output.copyWithin(base, from, to);
      to = base + (to - from);
      from = base;
    }
    if (header.family === 0) return answer(input, from, to, output, base, source, sourceAt, family);
    return answer(input, from, to, output, base, header.source, 0, header.family);
  };
}
