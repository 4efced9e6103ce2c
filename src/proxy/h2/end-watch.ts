import type { Http2Stream } from 'node:http2';

/**
 * Tells a message that was complete (END_STREAM) from one that was cut by RST_STREAM with NO_ERROR: node:http2 says
 * 'end' in both cases. It marks a reset stream as closed before it ends the readable side, and a complete one after.
 */
export class EndWatch {
  /** END_STREAM came: the 'end' that follows is a true one. */
  complete: boolean;

  /** `onChunk` is told of bytes as they come in, read or not; those that came before are given at once. */
  constructor(stream: Http2Stream, complete: boolean, onChunk: ((bytes: number) => void) | null) {
    this.complete = complete;
    if (stream.readableLength > 0) onChunk?.(stream.readableLength);
    const push = stream.push.bind(stream);
    stream.push = (chunk: Uint8Array | null, encoding?: BufferEncoding): boolean => {
      if (chunk !== null) onChunk?.(chunk.length);
      else if (!stream.closed) this.complete = true;
      return push(chunk, encoding);
    };
  }
}
