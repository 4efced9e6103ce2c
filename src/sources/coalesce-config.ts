/** `listeners[].routes[].coalesce` of `proxy.yaml`: its schema, and what it means. */
import { type Static, Type } from 'typebox';
import { DEFAULT_COALESCE, type PoolRoute } from '../core/http/route.js';

const TITLE = 'true, or a map with the keys followers and body';

export const CoalesceSchema = Type.Union(
  [
    Type.Literal(true),
    Type.Object(
      {
        followers: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
        body: Type.Optional(Type.Integer({ minimum: 1_024, maximum: 1_048_576 })),
      },
      { additionalProperties: false, title: TITLE },
    ),
  ],
  { title: TITLE },
);

export function coalesceOf(file: Static<typeof CoalesceSchema> | undefined): Pick<PoolRoute, 'coalesce'> {
  if (file === undefined) return {};
  const { followers = DEFAULT_COALESCE.followersMax, body = DEFAULT_COALESCE.bytesMax } =
    file === true ? {} : file;
  return { coalesce: { followersMax: followers, bytesMax: body } };
}
