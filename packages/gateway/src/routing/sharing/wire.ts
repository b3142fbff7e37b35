import { priorities } from "@tensorgate/core";
import type { FollowerMessage, OwnerMessage, RelayedArrival } from "./messages.ts";

/** A message as JSON can hold it: versions are texts. */
export interface WireMessage {
  readonly type: string;
}

/** Fields of each message that the receiver relies on, and what they are. */
const fields: Readonly<Record<string, Readonly<Record<string, "string" | "number" | "boolean">>>> =
  {
    arrival: {
      id: "number",
      model: "string",
      leftMs: "number",
      isIdempotent: "boolean",
      mayHedge: "boolean",
      isForwarded: "boolean",
      isTraced: "boolean",
    },
    cancelled: { id: "number" },
    answered: { attemptId: "number" },
    failed: { attemptId: "number", failure: "string" },
    drain: { replicaId: "string" },
    readmit: { replicaId: "string" },
    send: {
      id: "number",
      attemptId: "number",
      model: "string",
      region: "string",
      replicaId: "string",
      waitedMs: "number",
    },
    settle: { id: "number", attemptId: "number" },
    reject: { id: "number", because: "string" },
    abandon: { attemptId: "number" },
  };

/** What a gateway has measured, if it has. */
const measured = ["roundTripMs", "expectedWaitMs"] as const;

const ofFollowers = new Set(["arrival", "cancelled", "answered", "failed", "drain", "readmit"]);

/** Returns a message as JSON can hold it. */
export function toWire(message: FollowerMessage | OwnerMessage): WireMessage {
  if (!("version" in message) || message.version === undefined) return message;
  const wire = { ...message, version: String(message.version) };
  return wire;
}

/**
 * Reads a message of a gateway to the owner.
 *
 * @throws RangeError if it cannot be used
 */
export function followerMessage(wire: WireMessage): FollowerMessage {
  if (!ofFollowers.has(wire.type)) throw new RangeError(`no follower sends ${wire.type}`);
  const message = checked(wire) as FollowerMessage;
  if (message.type === "arrival") checkArrival(message);
  return message;
}

/**
 * Reads a message of the owner.
 *
 * @throws RangeError if it cannot be used
 */
export function ownerMessage(wire: WireMessage): OwnerMessage {
  if (ofFollowers.has(wire.type)) throw new RangeError(`no owner sends ${wire.type}`);
  return checked(wire) as OwnerMessage;
}

function checkArrival({ priority, residency = [] }: RelayedArrival): void {
  if (!priorities.includes(priority)) throw new RangeError(`there is no priority ${priority}`);
  if (!Array.isArray(residency)) throw new RangeError("residency is not a list");
}

/** Checks the fields of a message, and turns its version into a number. */
function checked(wire: WireMessage): object {
  const record = wire as WireMessage & Readonly<Record<string, unknown>>;
  const expected = Object.hasOwn(fields, wire.type) ? fields[wire.type] : undefined;
  if (!expected) throw new RangeError(`unknown message ${wire.type}`);
  for (const [name, type] of Object.entries(expected)) {
    if (typeof record[name] !== type) throw new RangeError(`${wire.type} without ${name}`);
  }
  for (const name of measured) {
    const value = record[name];
    if (value === undefined || typeof value === "number") continue;
    throw new RangeError(`${name} of ${wire.type} is no number`);
  }
  const { version } = record;
  return version === undefined ? record : { ...record, version: BigInt(version as string) };
}
