import { EMPTY_STEERING } from '../core/steering/document.js';
import type { RollbackModules, RollbackRefusal, SteeringRestored } from './rollback.js';
import type { Steering } from './steering.js';

/** What rolls steering back to an older document. */
export function steeringRestorer(steering: Steering): NonNullable<RollbackModules['steering']> {
  return {
    async restore(document, options): Promise<SteeringRestored | RollbackRefusal> {
      const { expected } = options;
      const value = { ...EMPTY_STEERING, ...(document as object) };
      const done = await steering.restore(value, options);
      switch (done.code) {
        case 'done':
          return done.changed ? { revision: done.revision } : {};
        case 'conflict': {
          const head = done.revision;
          const detail = `revision ${head} came since ${expected}: look at it, and roll back again`;
          return { code: 'conflict', detail, expected, head };
        }
        case 'invalid_request': {
          const [first] = done.mistakes;
          return {
            code: 'unsupported',
            detail: `the document of then is none: ${first?.path}: ${first?.message}`,
          };
        }
        case 'storage':
          return { code: isStorage(done.reason) ? done.reason : 'storage_io', detail: done.detail };
        default:
          return { code: 'unsupported', detail: done.detail };
      }
    },
  };
}

function isStorage(reason: string): reason is 'storage_full' | 'read_only' {
  return reason === 'storage_full' || reason === 'read_only';
}
