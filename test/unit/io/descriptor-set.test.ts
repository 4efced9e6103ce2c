import { describe, expect, it } from 'vitest';
import {
  addDescriptor,
  createDescriptorSet,
  descriptorsIn,
  removeDescriptor,
} from '../../../src/io/descriptor-set.js';

describe('descriptor set', () => {
  it('holds what was added and not removed, at the edges of words too', () => {
    const set = createDescriptorSet();
    const all = [0, 3, 31, 32, 33, 63, 64, 1000, 1_048_575];
    for (const fd of all) addDescriptor(set, fd);
    expect(descriptorsIn(set)).toEqual(all);
    for (const fd of [31, 64, 7]) removeDescriptor(set, fd);
    expect(descriptorsIn(set)).toEqual(all.filter((fd) => fd !== 31 && fd !== 64));
  });

  it('holds one that was added twice once', () => {
    const set = createDescriptorSet();
    addDescriptor(set, 5);
    addDescriptor(set, 5);
    expect(descriptorsIn(set)).toEqual([5]);
    removeDescriptor(set, 5);
    expect(descriptorsIn(set)).toEqual([]);
  });

  it('leaves out numbers beyond its size, and does no harm', () => {
    const set = createDescriptorSet();
    addDescriptor(set, 1_048_576);
    removeDescriptor(set, 1_048_576);
    expect(descriptorsIn(set)).toEqual([]);
  });
});
