# The gateway, the model server and the command, for linux/amd64 and linux/arm64.
#   docker build -t tensorgate .
#   docker run -p 8080:8080 -v ./tensorgate.yaml:/etc/tensorgate/tensorgate.yaml:ro tensorgate

FROM node:26-bookworm-slim AS build
WORKDIR /app
COPY . .
# No package needs a compiler or an install script: sharp and ONNX Runtime come as binaries.
RUN npm ci --ignore-scripts && npx tsc -b \
  && node --conditions=@tensorgate/source packages/console/build-page.ts
RUN npm prune --omit=dev --ignore-scripts && node scripts/prune-image.mjs

FROM node:26-bookworm-slim
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-semi-space-size=8 \
    TENSORGATE_HOST=0.0.0.0 \
    TENSORGATE_LOG_FORMAT=json \
    ORT_DISABLE_TELEMETRY=1
WORKDIR /app
COPY --from=build --chown=root:root /app/package.json /app/LICENSE ./
COPY --from=build --chown=root:root /app/node_modules node_modules
COPY --from=build --chown=root:root /app/proto proto
COPY --from=build --chown=root:root /app/packages packages
# Owned by root and run by another user, so that the process cannot change its code.
USER node
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# For plaintext; if the configuration sets listen.tls or another port, replace the health check.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.TENSORGATE_PORT ?? 8080}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/packages/cli/dist/main.js"]
CMD ["serve", "--config", "/etc/tensorgate/tensorgate.yaml"]
