import type { Http2Stream } from 'node:http2';

/**
 * RST_STREAM, and nothing that looks like a proper end: `close` of node:http2 ends an open writable side first, with
 * END_STREAM, and a message that was cut would look complete. A stream that is not ended must have been opened with
 * `waitForTrailers`: else a CANCEL in the same tick as a write still gets END_STREAM.
 */
export function resetStream(stream: Http2Stream, errorCode: number): void {
  if (stream.closed || stream.destroyed) return;
  if (!stream.writableEnded) {
    stream._final = (callback) => callback();
  }
  stream.close(errorCode);
  // What came and was not read would keep the stream.
  stream.resume();
}
