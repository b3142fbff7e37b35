import { setImmediate } from "node:timers/promises";
import { type DescMessage, fromJsonString, type MessageShape } from "@bufbuild/protobuf";
import {
  chargeJson,
  createWorkBudget,
  type InvalidRequestError,
  ScoringError,
  type WorkBudget,
} from "@tensorgate/core";
import { createMessageScan } from "@tensorgate/tf-serving";
import type { BodyUsage } from "../../../server/body/body-budget.ts";
import type { Coding, Decompress } from "../../../server/body/decompress.ts";
import type { GrowingBuffer } from "../../../server/body/read-body.ts";
import { undecodable } from "../errors.ts";

/** What is reserved for the message that is being read. */
export interface MessageAccount {
  /** @throws OverloadedError if all requests together hold as much as they may */
  readonly reserve: (byteCount: number) => void;
  /** Leaves so much reserved, which is no longer for this account to give back. */
  settle(keptBytes: number): void;
}

export function createMessageAccount(usage: BodyUsage): MessageAccount {
  let heldBytes = 0;
  const reserve = (byteCount: number): void => {
    usage.reserve(byteCount);
    heldBytes += byteCount;
  };
  return {
    reserve,
    settle: (keptBytes) => {
      if (keptBytes > heldBytes) reserve(keptBytes - heldBytes);
      else usage.unreserve(heldBytes - keptBytes);
      heldBytes = 0;
    },
  };
}

export interface RpcMessageOptions {
  readonly schema: DescMessage;
  readonly isJson: boolean;
  /** Longest message, as it came and unpacked, in bytes. */
  readonly maxBytes: number;
  readonly maxElements: number;
  readonly account: MessageAccount;
  readonly decompress: Decompress;
  /** Called with what the message, as it is passed on, holds of the bytes in flight. */
  readonly onMessage: (heldBytes: number) => void;
}

/** A message while it comes: makes sure that the library can read it, at a cost that is known before anything is built. */
export interface RpcMessage {
  /**
   * Checks a piece of the message.
   * @throws TooLargeError if the message has more elements than it may
   */
  push(piece: Uint8Array): void;
  /**
   * Unpacks the message if need be, and checks the whole of it.
   *
   * @returns the plain message, which stays reserved
   * @throws TooLargeError if the message has more elements than it may, or is too long when unpacked
   * @throws InvalidRequestError if it is not a message of the schema
   */
  end(came: GrowingBuffer): Promise<Uint8Array>;
}

/** @param coding - how it is compressed; undefined if it is not */
export function createRpcMessage(
  coding: Coding | undefined,
  options: RpcMessageOptions,
): RpcMessage {
  const { schema, isJson, maxBytes, maxElements, account, decompress, onMessage } = options;
  const budget = createWorkBudget(maxElements);
  const scan = createMessageScan(schema, budget);
  /** Why the message cannot be read; thrown at its end, since until then the body may fail for another reason. */
  let unreadable: InvalidRequestError | undefined;

  function check(step: () => void): void {
    if (unreadable) return;
    try {
      step();
    } catch (thrown) {
      if (ScoringError.is(thrown)) throw thrown;
      unreadable = undecodable(schema.typeName, thrown);
    }
  }

  return {
    push: (piece) => {
      if (!coding && !isJson) check(() => scan.push(piece));
    },
    end: async (came) => {
      let message = await came.end();
      if (coding) {
        message = await decompress(message, { coding, maxBytes, account });
        if (!isJson) check(() => scan.push(message));
      }
      check(isJson ? () => void readJsonMessage(schema, { message, budget }) : scan.end);
      if (unreadable) throw unreadable;
      // The library reads it a second time: each of the two may take as long as a turn of the event loop should.
      if (isJson) await setImmediate();
      // The library copies it into memory of the right length; of JSON it holds what it decodes, too.
      const heldBytes = isJson ? 2 * message.byteLength : message.byteLength;
      account.settle(heldBytes);
      onMessage(heldBytes);
      return message;
    },
  };
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** A text of digits, written in whatever way: reading it as an integer takes time in the square of its length. */
const longInteger = /"[\s\d\\untrfb+-]{100,}"/;

/**
 * Reads a message in JSON. What it throws for one that cannot be read may be as long as the message.
 *
 * @throws TooLargeError if parsing it would build more than `budget` has left
 */
export function readJsonMessage<Schema extends DescMessage>(
  schema: Schema,
  { message, budget }: { readonly message: Uint8Array; readonly budget: WorkBudget },
): MessageShape<Schema> {
  chargeJson(message, budget);
  const json = strictUtf8.decode(message);
  if (longInteger.test(json)) throw new RangeError("an integer of more than 100 digits");
  return fromJsonString(schema, json, { ignoreUnknownFields: true });
}
