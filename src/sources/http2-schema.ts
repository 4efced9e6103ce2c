/** The keys of `proxy.yaml` for HTTP/2. */
import { Type } from 'typebox';

export const HTTP2_LISTENER_KEYS = {
  http2: Type.Optional(Type.Union([Type.Literal('on'), Type.Literal('off')])),
};

export const HTTP2_POOL_KEYS = {
  protocol: Type.Optional(
    Type.Union([Type.Literal('h1'), Type.Literal('h2'), Type.Literal('h2c'), Type.Literal('grpc')]),
  ),
};
