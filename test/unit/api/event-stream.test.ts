import { describe, expect, it } from 'vitest';
import { EventStream, STREAMS_MAX } from '../../../src/api/event-stream.js';
import { TestSink } from '../../support/event-sink.js';

describe('EventStream', () => {
  it('sends events with their number, name and data', () => {
    const stream = new EventStream(100);
    const sink = new TestSink();
    stream.add(sink);
    stream.send('transition', { target: 'a\nb' });
    stream.beat();
    expect(sink.text).toBe('retry: 2000\n\nid: 101\nevent: transition\ndata: {"target":"a\\nb"}\n\n:\n\n');
  });

  it('gives what was missed to who comes back, as far as it is kept', () => {
    const stream = new EventStream(0);
    for (let i = 0; i < 300; i++) stream.send('x', i);
    const [near, far, none, old] = [new TestSink(), new TestSink(), new TestSink(), new TestSink()];
    stream.add(near, 297);
    stream.add(far, 44);
    stream.add(none);
    stream.add(old, 10);
    expect(near.ids).toEqual([298, 299, 300]);
    expect(far.ids).toHaveLength(256);
    expect(none.ids).toEqual([]);
    expect(old.ids).toEqual([]);
  });

  it('cuts off a reader that does not read, and keeps the others', () => {
    const stream = new EventStream(0);
    const [slow, quick] = [new TestSink(), new TestSink()];
    stream.add(slow);
    stream.add(quick);
    slow.writableLength = 256 * 1024 + 1;
    stream.send('x', 1);
    expect(slow.ended).toBe(true);
    expect(quick.ids).toEqual([1]);
    expect(stream.size).toBe(1);
  });

  it('takes so many readers and no more, and ends all of them at once', () => {
    const stream = new EventStream(0);
    const sinks = Array.from({ length: STREAMS_MAX }, () => new TestSink());
    expect(sinks.every((sink) => stream.add(sink))).toBe(true);
    expect(stream.add(new TestSink())).toBe(false);
    stream.remove(sinks[0]!);
    expect(stream.add(new TestSink())).toBe(true);
    stream.close();
    expect(sinks.slice(1).every(({ ended }) => ended)).toBe(true);
    expect(stream.size).toBe(0);
  });
});
