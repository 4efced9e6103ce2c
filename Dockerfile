# syntax=docker/dockerfile:1
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
# Without scripts: `prepare` would build, and the sources are not here yet, so that this layer is kept.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/build.mjs scripts/
COPY src src
RUN npm run build
# koffi, an optional dependency, stays: the batched tier needs it. Scripts: `prepare` would build without a compiler.
RUN npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY LICENSE ./
COPY geodb geodb
COPY schema schema
COPY zones zones
RUN ln -s /app/dist/main.js /usr/local/bin/meridian \
  && mkdir -p /etc/meridian/zones /var/lib/meridian \
  && chown node:node /etc/meridian/zones /var/lib/meridian

# Every key of meridian.yaml has such a variable. The API stays on the container's own loopback until it has tokens and TLS:
# set MERIDIAN_API_LISTEN=0.0.0.0:8300 together with MERIDIAN_API_TOKENS=/etc/meridian/tokens.yaml and
# MERIDIAN_API_TLS_CERT and …_KEY; or MERIDIAN_API_INSECURE=true behind a TLS front.
ENV NODE_ENV=production \
  MERIDIAN_NODE_NAME=meridian \
  MERIDIAN_DNS_LISTEN=0.0.0.0:5300 \
  MERIDIAN_ZONES=/etc/meridian/zones \
  MERIDIAN_STATE=/var/lib/meridian \
  MERIDIAN_TOKEN_FILE=/var/lib/meridian/admin.token

USER node
WORKDIR /etc/meridian
VOLUME ["/etc/meridian/zones", "/var/lib/meridian"]
EXPOSE 5300/udp 5300/tcp 8300/tcp
# Healthy is a node that answers from at least one zone.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "/app/dist/main.js", "status", "--quiet"]
ENTRYPOINT ["meridian"]
CMD ["serve"]
