import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fastify } from "../launch/fastify.ts";
import { go } from "../launch/go.ts";
import { nginx } from "../launch/nginx.ts";
import { launch, type Peer } from "../launch/peer.ts";
import { tensorgate } from "../launch/tensorgate.ts";
import { type Figures, type Row, summarizeRounds } from "../statistics.ts";
import { type Group, type GroupContext, orSkip } from "./group.ts";

const connectionCount = 2_000;
/** Connections that are opened at the same time. */
const batch = 50;
/** Requests that come first, on other connections: a heap that grows with them is not memory of idle connections. */
const warmUpRequests = 20_000;
/** How long processor time is counted while nothing happens. */
const idleMs = 2_000;
const peers = [tensorgate({ maxCalls: 4_096 }), nginx({ http: "1.1" }), go(), fastify];
const request = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** Memory and processor time of connections that were used once and are kept alive. */
export const idle: Group = {
  name: "idle",
  rows: ["idle-connections"],
  run: async (context) => {
    const rows: Row[] = [];
    for (const peer of peers) {
      context.say(`idle: ${peer.name}`);
      await orSkip(context, peer, async () => {
        const rounds = await measureRounds(context, peer);
        rows.push(summarizeRounds("idle-connections", peer.name, rounds));
      });
    }
    return rows;
  },
};

/** One process each round: one that had connections before keeps their memory for the next ones. */
async function measureRounds(context: GroupContext, peer: Peer): Promise<readonly Figures[]> {
  const rounds: Figures[] = [];
  for (let round = 0; round < context.settings.rounds; round += 1) {
    await using process = await launch(peer, context);
    // What the first requests load stays without any connection.
    const first = await openConnections(process.port, batch);
    await warmUp(first);
    await closeAll(first);
    const before = process.residentBytes();
    const sockets = await openConnections(process.port, connectionCount);
    const bytesPerConnection = (process.residentBytes() - before) / connectionCount;
    const cpuBefore = process.cpuMicros();
    await sleep(idleMs);
    const cpuShare = (process.cpuMicros() - cpuBefore) / (idleMs * 1_000);
    // A server that closes idle connections would look thrifty.
    if (sockets.some(({ readyState }) => readyState !== "open")) {
      throw new Error(`${peer.name} closed idle connections`);
    }
    await closeAll(sockets);
    rounds.push({ bytesPerConnection, cpuShare });
  }
  return rounds;
}

async function openConnections(port: number, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    sockets.push(...(await Promise.all(Array.from({ length: batch }, () => usedSocket(port)))));
  }
  return sockets;
}

/** @returns a connection on which one request was answered */
async function usedSocket(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.write(request);
  await once(socket, "data");
  return socket;
}

async function warmUp(sockets: readonly Socket[]): Promise<void> {
  for (let sent = 0; sent < warmUpRequests; sent += sockets.length) {
    await Promise.all(
      sockets.map((socket) => {
        socket.write(request);
        return once(socket, "data");
      }),
    );
  }
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  const closed = sockets.map((socket) => once(socket, "close"));
  for (const socket of sockets) socket.destroy();
  await Promise.all(closed);
}
