/**
 * Modules of Node that are loaded when they are first used: a gateway without TLS, and one whose callers speak HTTP/1.1,
 * needs none of them.
 *
 * They are not imported, since an `import` of such a module reads all of its exports, and with them getters: that of
 * `node:http` loads `fetch` and WebSocket, that of `node:tls` writes all root certificates as text.
 */
export const nodeHttp = (): typeof import("node:http") => process.getBuiltinModule("node:http");
export const nodeHttp2 = (): typeof import("node:http2") => process.getBuiltinModule("node:http2");
export const nodeHttps = (): typeof import("node:https") => process.getBuiltinModule("node:https");
export const nodeTls = (): typeof import("node:tls") => process.getBuiltinModule("node:tls");
