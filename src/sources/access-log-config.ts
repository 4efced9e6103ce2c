/** `access_log` of `proxy.yaml`. */
import { type Static, Type } from 'typebox';
import type { AccessLogModel } from '../core/access-log/model.js';

const MEBIBYTE = 1024 * 1024;

export const AccessLogSchema = Type.Object(
  {
    sample: Type.Optional(Type.Number({ minimum: 0, maximum: 1, title: 'a number from 0 to 1' })),
    errors: Type.Optional(Type.Boolean()),
    max_per_second: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    file: Type.Optional(
      Type.String({ minLength: 1, maxLength: 4096, title: 'a path, or stdout, or stderr' }),
    ),
    max_size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_048_576 })),
    client: Type.Optional(
      Type.Union([Type.Literal('address'), Type.Literal('prefix'), Type.Literal('none')]),
    ),
  },
  { additionalProperties: false, title: 'a map such as { sample: 0.01 }' },
);

/** Undefined where nothing is logged. `locate` makes a path of the file absolute. */
export function accessLogOf(
  file: Static<typeof AccessLogSchema> | undefined,
  locate: (path: string) => string,
): AccessLogModel | undefined {
  const sample = file?.sample ?? 0;
  const errors = file?.errors ?? false;
  if (file === undefined || (sample === 0 && !errors)) return undefined;
  const path = file.file ?? 'stdout';
  return {
    sample,
    errors,
    maxPerSecond: file.max_per_second ?? 1000,
    to: path === 'stdout' || path === 'stderr' ? path : { file: locate(path) },
    maxBytes: (file.max_size ?? 100) * MEBIBYTE,
    client: file.client ?? 'address',
  };
}
