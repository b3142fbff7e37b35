// The messages and services of the gateway's own API, for a custom transport.
export * from "@tensorgate/proto/tensorgate/v1/catalog";
export * from "@tensorgate/proto/tensorgate/v1/scoring";
export * from "@tensorgate/proto/tensorgate/v1/status";
