import { EventEmitter } from "node:events";
import type net from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults } from "../../options.ts";
import { type ClientConnection, createConnectionTable } from "./connections.ts";
import { createTurns } from "./turns.ts";

function fakeSocket() {
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress: "192.0.2.1",
    destroyed: false,
    isPaused: false,
    resetCount: 0,
    destroy: () => {
      socket.destroyed = true;
    },
    pause: () => {
      socket.isPaused = true;
    },
    resume: () => {
      socket.isPaused = false;
    },
    resetAndDestroy: () => {
      socket.resetCount += 1;
      socket.destroyed = true;
    },
  });
  return socket;
}

/** One connection, and a loop that is turned by hand. */
function admitted() {
  const clock = manualClock();
  let turn = () => {};
  const turns = createTurns({
    clock,
    afterPoll: (callback) => {
      turn = callback;
    },
  });
  const table = createConnectionTable({
    limits: listenDefaults,
    headerTimeoutMs: 10_000,
    isNearFileLimit: () => false,
    onRejected: () => {},
    turns,
    clock,
  });
  const socket = fakeSocket();
  const connection = table.admit(socket as unknown as net.Socket) as ClientConnection;
  const request = () => {
    connection.begin();
    connection.end();
  };
  return { clock, turns, socket, connection, request, turn: () => turn() };
}

test("a session that is idle, and does not end when it is asked to, is reset", () => {
  let goodbyeCount = 0;
  const { clock, socket, connection, request } = admitted();
  connection.closeSession = () => {
    goodbyeCount += 1;
  };
  request();

  clock.advance(listenDefaults.idleTimeoutMs);
  expect([goodbyeCount, socket.resetCount]).toEqual([1, 0]);
  clock.advance(5_000);
  expect(socket.resetCount).toBe(1);
});

test("while others are busy, a connection is not read after its request, and may wait for as long as it takes", () => {
  const { clock, turns, socket, request, turn } = admitted();
  for (let count = 0; count < 100; count += 1) turns.begin();
  request();

  expect(socket.isPaused).toBe(true);
  expect(clock.pendingTimersMs()).toEqual([]);
  turn();
  expect(socket.isPaused).toBe(false);
  clock.advance(listenDefaults.idleTimeoutMs - 1);
  expect(socket.destroyed).toBe(false);
  clock.advance(1);
  expect(socket.destroyed).toBe(true);
});

test("a connection that is asked before its turn has one idle time all the same", () => {
  const { clock, turns, socket, request, turn } = admitted();
  for (let count = 0; count < 100; count += 1) turns.begin();
  // Node may have read it ahead.
  request();
  request();
  turn();
  turn();

  expect(clock.pendingTimersMs()).toEqual([listenDefaults.idleTimeoutMs]);
  request();
  expect(socket.isPaused).toBe(true);
  turn();
  expect(clock.pendingTimersMs()).toEqual([listenDefaults.idleTimeoutMs]);
});

test("requests of a connection that is gone are not in flight, though Node may never close their responses", () => {
  const { turns, socket, connection } = admitted();
  for (let count = 0; count < 100; count += 1) connection.begin();
  expect(turns.areTaken).toBe(true);

  connection.end();
  socket.destroy();
  socket.emit("close");
  expect(turns.areTaken).toBe(false);
  // One of them is closed after all.
  connection.end();
  for (let count = 0; count < 31; count += 1) turns.begin();
  expect(turns.areTaken).toBe(false);
  turns.begin();
  expect(turns.areTaken).toBe(true);
});
