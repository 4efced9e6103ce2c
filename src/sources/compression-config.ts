/** `listeners[].compression` of `proxy.yaml`: what it may hold, and what it means. */
import { type Static, Type } from 'typebox';
import { CONTENT_CODINGS } from '../core/http/accept-encoding.js';
import { type CompressionModel, DEFAULT_COMPRESSION } from '../core/http/compression.js';

const MIN_BYTES_MAX = 1_000_000_000;
const TYPES_MAX = 64;
const PART = '[a-z0-9!#$&^_.+-]';

const MediaType = Type.String({
  pattern: `^${PART}{1,64}/(${PART}{0,64}\\*${PART}{0,64}|${PART}{1,64})$`,
  title: 'a media type such as text/html, text/* or application/*+json, in lower case',
});

export const CompressionSchema = Type.Object(
  {
    encodings: Type.Optional(
      Type.Array(Type.Union([Type.Literal('gzip'), Type.Literal('br'), Type.Literal('zstd')]), {
        minItems: 1,
        maxItems: CONTENT_CODINGS.length,
      }),
    ),
    types: Type.Optional(Type.Array(MediaType, { minItems: 1, maxItems: TYPES_MAX })),
    min_bytes: Type.Optional(Type.Integer({ minimum: 0, maximum: MIN_BYTES_MAX })),
    effort: Type.Optional(Type.Union([Type.Literal('low'), Type.Literal('medium'), Type.Literal('high')])),
  },
  { additionalProperties: false, title: 'a map with the keys encodings, types, min_bytes and effort' },
);

export const COMPRESSION_LISTENER_KEYS = { compression: Type.Optional(CompressionSchema) };

export const COMPRESSION_ROUTE_KEYS = {
  compression: Type.Optional(Type.Union([Type.Literal('on'), Type.Literal('off')])),
};

type Path = readonly (string | number)[];
type Report = (path: Path, message: string) => void;

/** What a listener says of compression; nothing where it says nothing. */
export function compressionOf(
  file: Static<typeof CompressionSchema> | undefined,
  at: Path,
  report: Report,
): { readonly compression?: CompressionModel } {
  if (file === undefined) return {};
  const codings = file.encodings ?? DEFAULT_COMPRESSION.codings;
  codings.forEach((coding, i) => {
    if (codings.indexOf(coding) !== i) report([...at, 'encodings', i], `${coding} is in this list already`);
  });
  return {
    compression: {
      codings,
      types: file.types ?? DEFAULT_COMPRESSION.types,
      minBytes: file.min_bytes ?? DEFAULT_COMPRESSION.minBytes,
      effort: file.effort ?? DEFAULT_COMPRESSION.effort,
    },
  };
}
