import type { DescMessage } from "@bufbuild/protobuf";
import {
  assertKeyLength,
  MalformedMessageError,
  type WorkBudget,
  wireType,
} from "@tensorgate/core";
import { type FieldLayout, fieldLayoutsOf, type MessageLayout } from "./message-layout.ts";

/** Deepest nesting of messages: protobuf-es reads no deeper either. */
const maxDepth = 100;

/** Elements that a nested message costs before its fields: its object has a place for each field that there may be. */
const messageElements = 8;

/** Bytes of a text that cost as much as one more element: it is decoded character by character. */
const textBytesPerElement = 256;

/** Bytes of the longest varint. */
const maxVarintBytes = 10;

/**
 * Looks at a message piece by piece, as it comes. Charges a budget with every element that parsing it would build,
 * without building any: each field, known or unknown, each entry of a list or map and each value of a packed field, in
 * nested messages too; a message costs as much as eight fields, and a long text one more for every 256 bytes. Takes one step per element, whatever the length of the bytes.
 *
 * What it accepts, protobuf-es reads without failing, and builds no more of than was charged. For that it is stricter
 * than protocol buffers have to be: a known field in another layout than its own is malformed, and so is a group.
 */
export interface MessageScan {
  /**
   * @throws TooLargeError at the first element over the budget, or at a key of more than 1,024 bytes
   * @throws MalformedMessageError if no message begins like this
   */
  push(piece: Uint8Array): void;
  /** @throws MalformedMessageError if the message is cut short */
  end(): void;
}

/**
 * Charges `budget` with the elements of a whole message.
 *
 * @throws TooLargeError if the message has more elements than the budget, or a key of more than 1,024 bytes
 * @throws MalformedMessageError if the bytes are not a well-formed message, or nest deeper than 100 messages
 */
export function chargeMessage(schema: DescMessage, bytes: Uint8Array, budget: WorkBudget): void {
  createMessageCharge(schema)(bytes, budget);
}

/** Charges a budget with the elements of a whole message, as `chargeMessage` does. */
export type ChargeMessage = (bytes: Uint8Array, budget: WorkBudget) => void;

/** Creates the charge of messages of one type, whose layout is looked up once. */
export function createMessageCharge(schema: DescMessage): ChargeMessage {
  const layout = fieldLayoutsOf(schema);
  return (bytes, budget) => {
    const scan = scanOf(layout, budget);
    scan.push(bytes);
    scan.end();
  };
}

/** A message that the scan is inside of, and where it ends. */
interface Frame {
  readonly fields: MessageLayout;
  readonly end: number;
}

/** Looks at further bytes of a value: those of `piece` from `start` up to `end`. */
type Look = (piece: Uint8Array, range: LookRange) => void;

interface LookRange {
  readonly start: number;
  readonly end: number;
  readonly isLast: boolean;
}

export function createMessageScan(schema: DescMessage, budget: WorkBudget): MessageScan {
  return scanOf(fieldLayoutsOf(schema), budget);
}

function scanOf(layout: MessageLayout, budget: WorkBudget): MessageScan {
  let frame: Frame = { fields: layout, end: Number.POSITIVE_INFINITY };
  const outer: Frame[] = [];
  let position = 0;
  let reading: "tag" | "varint" | "length" | "content" = "tag";
  /** The varint that is being read: its value so far, what its next bits are worth, and how many of its bytes were read. */
  let value = 0;
  let scale = 1;
  let varintBytes = 0;
  // Of the whole scan: a message may have a text, or a list, for every third of its bytes.
  const lookAtText = createTextLook();
  const lookAtVarints = createVarintLook(budget);
  /** The field whose value comes next; none if it is unknown. */
  let field: FieldLayout | undefined;
  /** Bytes left of the content that is being read, and what is to be seen in it. */
  let left = 0;
  let look: Look | undefined;

  function startContent(length: number, lookAt?: Look): void {
    left = length;
    look = lookAt;
    reading = "content";
    if (position + length > frame.end) {
      throw new MalformedMessageError("a field is longer than its message");
    }
    if (field?.isKey) assertKeyLength(length);
    if (length === 0) endValue();
  }

  function endValue(): void {
    reading = "tag";
    if (position > frame.end) throw new MalformedMessageError("a field is longer than its message");
    while (position === frame.end) frame = outer.pop() as Frame;
  }

  function onTag(tag: number): void {
    budget.spend();
    const type = tag & 7;
    const fieldNumber = tag >>> 3;
    if (fieldNumber === 0) throw new MalformedMessageError("field number 0");
    field = frame.fields.get(fieldNumber);
    const isPacked = type === wireType.lengthDelimited && field?.packed !== undefined;
    if (field && type !== field.wireType && !isPacked) {
      throw new MalformedMessageError(`field ${fieldNumber} has wire type ${type}`);
    }
    if (type === wireType.varint) reading = "varint";
    else if (type === wireType.lengthDelimited) reading = "length";
    else if (type === wireType.fixed32) startContent(4);
    else if (type === wireType.fixed64) startContent(8);
    else throw new MalformedMessageError(`wire type ${type}`);
  }

  function onLength(length: number): void {
    if (field?.nested) startMessage(field.nested, length);
    else if (field?.packed !== undefined) startPacked(field.packed, length);
    else if (field?.isText) {
      budget.spend(Math.floor(length / textBytesPerElement));
      startContent(length, lookAtText);
    } else startContent(length);
  }

  function startMessage(fields: MessageLayout, length: number): void {
    if (position + length > frame.end) {
      throw new MalformedMessageError("a message is longer than the one around it");
    }
    budget.spend(messageElements - 1);
    outer.push(frame);
    if (outer.length >= maxDepth) {
      throw new MalformedMessageError(`nested deeper than ${maxDepth} messages`);
    }
    frame = { fields, end: position + length };
    endValue();
  }

  function startPacked(size: number | "varint", length: number): void {
    if (size === "varint") {
      startContent(length, lookAtVarints);
      return;
    }
    if (length % size !== 0) throw new MalformedMessageError("a packed field is cut short");
    budget.spend(length / size);
    startContent(length);
  }

  function onVarint(): void {
    const number = value;
    value = 0;
    scale = 1;
    varintBytes = 0;
    if (reading === "varint") endValue();
    else if (number > 0xffff_ffff) {
      throw new MalformedMessageError("a tag or length of more than 32 bits");
    } else if (reading === "tag") onTag(number);
    else onLength(number);
  }

  return {
    push: (piece) => {
      let at = 0;
      while (at < piece.byteLength) {
        if (reading === "content") {
          const length = Math.min(left, piece.byteLength - at);
          position += length;
          left -= length;
          look?.(piece, { start: at, end: at + length, isLast: left === 0 });
          at += length;
          if (left === 0) endValue();
          continue;
        }
        const byte = piece[at] as number;
        at += 1;
        position += 1;
        value += (byte & 0x7f) * scale;
        scale *= 128;
        varintBytes += 1;
        if (byte < 0x80) onVarint();
        else if (varintBytes === maxVarintBytes) throw tooLongVarint();
      }
    },
    end: () => {
      if (reading === "tag" && varintBytes === 0 && outer.length === 0) return;
      throw new MalformedMessageError("the message is cut short");
    },
  };
}

/** Charges one element for each varint: its last byte is the one without the highest bit. */
function createVarintLook(budget: WorkBudget): Look {
  let byteCount = 0;
  return (piece, { start, end, isLast }) => {
    for (let at = start; at < end; at += 1) {
      byteCount += 1;
      if ((piece[at] as number) >= 0x80) {
        if (byteCount === maxVarintBytes) throw tooLongVarint();
        continue;
      }
      budget.spend();
      byteCount = 0;
    }
    if (isLast && byteCount > 0) throw new MalformedMessageError("a packed field is cut short");
  };
}

/** Calling the decoder takes longer than looking at the few bytes of a name. */
const maxNameBytes = 64;

function createTextLook(): Look {
  /** Of a text that comes in several pieces. */
  let decoder: InstanceType<typeof TextDecoder> | undefined;
  return (piece, { start, end, isLast }) => {
    if (!decoder && isLast && end - start <= maxNameBytes && isAscii(piece, start, end)) return;
    try {
      const bytes = piece.subarray(start, end);
      if (!decoder && isLast) utf8.decode(bytes);
      else {
        decoder ??= new TextDecoder("utf-8", { fatal: true });
        decoder.decode(bytes, { stream: !isLast });
      }
    } catch {
      throw new MalformedMessageError("a string that is not UTF-8");
    }
    if (isLast) decoder = undefined;
  };
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0;
  for (let at = start; at < end; at += 1) seen |= bytes[at] as number;
  return seen < 0x80;
}

/** For a text that comes in one piece, as nearly all do. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

const tooLongVarint = () =>
  new MalformedMessageError(`a varint of more than ${maxVarintBytes} bytes`);
