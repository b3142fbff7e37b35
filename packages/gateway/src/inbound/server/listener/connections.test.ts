import { EventEmitter } from "node:events";
import type net from "node:net";
import { manualClock } from "@tensorgate/core/testing";
import { expect, test } from "vitest";
import { listenDefaults } from "../../options.ts";
import { createConnectionTable } from "./connections.ts";
import { createTurns } from "./turns.ts";

function fakeSocket() {
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress: "192.0.2.1",
    destroyed: false,
    resetCount: 0,
    destroy: () => {},
    resetAndDestroy: () => {
      socket.resetCount += 1;
      socket.destroyed = true;
    },
  });
  return socket;
}

test("a session that is idle, and does not end when it is asked to, is reset", () => {
  const clock = manualClock();
  const table = createConnectionTable({
    limits: listenDefaults,
    headerTimeoutMs: 10_000,
    isNearFileLimit: () => false,
    onRejected: () => {},
    turns: createTurns({ clock, afterPoll: (callback) => callback() }),
    clock,
  });
  const socket = fakeSocket();
  let goodbyeCount = 0;
  table.admit(socket as unknown as net.Socket, (connection) => {
    connection.closeSession = () => {
      goodbyeCount += 1;
    };
    connection.begin();
    connection.end();
  });

  clock.advance(listenDefaults.idleTimeoutMs);
  expect([goodbyeCount, socket.resetCount]).toEqual([1, 0]);
  clock.advance(5_000);
  expect(socket.resetCount).toBe(1);
});
