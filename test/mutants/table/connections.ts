import { type Mutant, mutantsOf } from "../mutant.ts";

const listener = "packages/gateway/src/inbound/server/listener";
const tests = [
  `${listener}/connections.test.ts`,
  `${listener}/cancelled-responses.test.ts`,
  `${listener}/listener.test.ts`,
  "test/hostile/listener-limits.test.ts",
  "test/hostile/hostile-connections.test.ts",
  "test/hostile/request-heads.test.ts",
  "test/hostile/slow-readers.test.ts",
  "test/hostile/drain.test.ts",
];

/** What a connection may do, and how long. */
export const connectionMutants: readonly Mutant[] = [
  ...mutantsOf(`${listener}/connections.ts`, tests, [
    {
      name: "connections: any number of an address",
      find: "countOfAddress >= limits.maxConnectionsPerAddress",
      replace: "countOfAddress >= Number.POSITIVE_INFINITY",
    },
    {
      name: "connections: any number of all addresses",
      find: "if (open.size >= limits.maxConnections) return",
      replace: "if (open.size >= Number.POSITIVE_INFINITY) return",
    },
    {
      name: "connections: to the last file",
      find: 'isNearFileLimit(socket) ? "file-limit" : rejectionOf(count)',
      replace: "isNearFileLimit(socket) ? rejectionOf(count) : rejectionOf(count)",
    },
    {
      name: "connections: a session that is closed gracefully never ends",
      find: "if (!socket.destroyed) timer = clock.setTimer(lingerMs, reset);",
      replace: "",
    },
    {
      name: "connections: headers may take for ever",
      find: "clock.setTimer(headerTimeoutMs, () => connection.transport.destroy())",
      replace: "clock.setTimer(headerTimeoutMs, () => {})",
    },
    {
      name: "connections: an idle one stays",
      find: "timer = clock.setTimer(limits.idleTimeoutMs, closeIdle);",
      replace: "timer = clock.setTimer(limits.idleTimeoutMs, () => {});",
    },
    {
      name: "connections: one that is read again may idle for ever",
      find: "if (exchangeCount === 0 && !socket.destroyed) connection.awaitNext();",
      replace: "",
    },
    {
      name: "connections: requests of a lost one are in flight for ever",
      find: "while (connection.exchangeCount > 0) connection.end();",
      replace: "",
    },
    {
      name: "connections: none waits for its turn",
      find: "if (isSession || !turns.areTaken) return",
      replace: "return",
    },
    {
      name: "drain: a busy connection is ended",
      find: "if (connection.exchangeCount > 0) connection.closeSession?.();",
      replace: "if (connection.exchangeCount > 0) connection.close();",
    },
  ]),
  ...mutantsOf(
    `${listener}/turns.ts`,
    [`${listener}/turns.test.ts`],
    [
      {
        name: "turns: as many as ended are read again",
        find: "perTurn.max - fewer, endedCount >> 1)",
        replace: "perTurn.max - fewer, endedCount)",
      },
      {
        name: "turns: those that wait for replicas hold up others",
        find: "Math.max(perTurn.min, perTurn.max - fewer, endedCount >> 1)",
        replace: "Math.max(1, endedCount >> 1)",
      },
      {
        name: "turns: each idle moment fills the process",
        find: "const count = isIdle ? idleCount(tookMs) : busyCount();",
        replace: "const count = isIdle ? perTurn.max : busyCount();",
      },
      {
        name: "turns: short idle moments count for nothing",
        find: "idleShare = allowed - count;",
        replace: "idleShare = 0;",
      },
      {
        name: "turns: what is too many lasts",
        find: "Math.floor(tooMany / perTurn.perFewer)",
        replace: "0",
      },
      {
        name: "turns: others pass those that wait",
        find: " || waiting.length > 0)",
        replace: ")",
      },
    ],
  ),
  ...mutantsOf(`${listener}/listener.ts`, tests, [
    {
      name: "drain: what waits for its turn is dropped",
      find: "if (keepsIdle || areTaken)",
      replace: "if (keepsIdle)",
    },
    {
      name: "connections: any number of streams",
      find: "maxConcurrentStreams: listen.maxStreamsPerConnection,",
      replace: "maxConcurrentStreams: 4_294_967_295,",
    },
    {
      name: "connections: cancelled responses use one up",
      find: "    maxSessionMemory: Number.MAX_SAFE_INTEGER,\n",
      replace: "",
    },
    {
      name: "connections: CONNECT passes the limits by",
      find: '    created.on("connect", requestGate.onHttp2);\n',
      replace: "",
    },
    {
      name: "connections: an unknown expectation passes the limits by",
      find: '    created.on("checkExpectation", requestGate.onHttp2);\n',
      replace: "",
    },
    {
      name: "connections: streams are reset without end",
      find: "streamResetBurst: 200,",
      replace: "streamResetBurst: 2_000_000,",
    },
    {
      name: "connections: headers of any length over HTTP/1.1",
      find: "maxHeaderSize: 16_384,",
      replace: "maxHeaderSize: 1_638_400,",
    },
    {
      name: "connections: headers of any length over HTTP/2",
      find: "maxHeaderListSize: 16_384,",
      replace: "maxHeaderListSize: 1_638_400,",
    },
  ]),
  ...mutantsOf(`${listener}/request-gate.ts`, tests, [
    {
      name: "connections: what waits for an earlier answer outlives a reset",
      find: "if (connection.unanswered.length > 0) setImmediate(closeAll, connection.unanswered);",
      replace: "",
    },
    {
      name: "connections: any number of pipelined requests",
      find: "connection.exchangeCount > listen.maxStreamsPerConnection",
      replace: "connection.exchangeCount > Number.POSITIVE_INFINITY",
    },
    {
      name: "connections: two hosts",
      find: "passOn(request, response, hasOneHost(request));",
      replace: "passOn(request, response, hasOneHost(request) || true);",
    },
    {
      name: "drain: an answer does not say that it is the last",
      find: "if (!response.headersSent) announceClose(response);",
      replace: "",
    },
  ]),
  ...mutantsOf("packages/gateway/src/inbound/server/reply.ts", tests, [
    {
      name: "drain: the last answer says how long the connection stays",
      find: "if (watch) watch.keepAlive = undefined;",
      replace: "",
    },
  ]),
  ...mutantsOf(
    "packages/gateway/src/inbound/server/reply.ts",
    ["packages/gateway/src/inbound/server/reply.test.ts"],
    [
      {
        name: "turn end: an answer is written between other work",
        find: 'const isGathered = "stream" in response;',
        replace: "const isGathered = true;",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/upstream/transport/http2/own-connection.ts",
    ["packages/gateway/src/upstream/transport/http2/own-connection.test.ts"],
    [
      {
        name: "turn end: a request to a replica is written between other work",
        find: "if (this.#willFlush) return stream;",
        replace: "this.#flush();\n    return stream;",
      },
    ],
  ),
  ...mutantsOf(
    `${listener}/tls-acceptor.ts`,
    [`${listener}/listener.test.ts`, "test/end-to-end/tls.test.ts"],
    [
      {
        name: "tls: the oldest version",
        find: 'minVersion: "TLSv1.2",',
        replace: 'minVersion: "TLSv1",',
      },
      {
        name: "tls: a caller without a certificate",
        find: "rejectUnauthorized: files.clientCa !== undefined,",
        replace: "rejectUnauthorized: false,",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/server/exchange.ts",
    [
      "packages/gateway/src/inbound/server/lingering-close.test.ts",
      "test/hostile/hostile-bodies.test.ts",
    ],
    [
      {
        name: "connections: who was refused sends on for ever",
        find: "timer = clock.setTimer(drainMs, () => socket.destroy());",
        replace: "timer = clock.setTimer(drainMs, () => {});",
      },
      {
        name: "connections: who was refused sends any number of bytes",
        find: "if (leftBytes < 0) stop();",
        replace: "",
      },
      {
        name: "connections: what follows of a body that was being read hardly counts",
        find: 'request.prependListener("data", onData);',
        replace: 'request.on("data", onData);',
      },
      {
        name: "keys: a long body without a key is read",
        find: "leftBytes = request[authenticated] ? maxAuthenticatedBytes : maxUnauthenticatedBytes;",
        replace: "leftBytes = maxAuthenticatedBytes;",
      },
      {
        name: "connections: a body in too many pieces is discarded on",
        find: "onTooManyPieces(request, stop);",
        replace: "",
      },
      {
        name: "connections: a stream in too many pieces stays open",
        find: "if (timer) closeIn(0);",
        replace: "",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/inbound/server/outflow.ts",
    ["test/hostile/slow-readers.test.ts"],
    [
      {
        name: "answers: read as slowly as the caller likes",
        find: "    unread.delete(this);\n    this.#cut();\n",
        replace: "    unread.delete(this);\n",
      },
      {
        name: "answers: not in the budget",
        find: "budget.add(byteCount);",
        replace: "",
      },
      {
        name: "answers: never given back",
        find: "    this.#deps.unread.delete(this);\n    this.#release(this.#heldBytes);\n",
        replace: "    this.#deps.unread.delete(this);\n",
      },
    ],
  ),
  ...mutantsOf(
    "packages/gateway/src/upstream/transport/unary-channel.ts",
    ["packages/gateway/src/upstream/transport/unary-channel.test.ts"],
    [
      {
        name: "upstream: a call that has ended is counted off twice",
        find: "connection.released(open.http2);",
        replace: "connection.released(open.http2); connection.released(open.http2);",
      },
    ],
  ),
];
