import { type DescMessage, fromJsonString } from "@bufbuild/protobuf";
import {
  chargeJson,
  createWorkBudget,
  InvalidRequestError,
  ScoringError,
  type WorkBudget,
} from "@tensorgate/core";
import { createMessageScan } from "@tensorgate/tf-serving";

/** What one message may cost. */
export interface MessageLimits {
  readonly maxBytes: number;
  /** JSON is read character by character, several times. */
  readonly maxJsonBytes: number;
  /** Fields, entries of lists and maps, and values. */
  readonly maxElements: number;
}

/** Makes sure that the library can read a message, at a cost that is known before anything is built. */
export interface MessageCheck {
  /**
   * Checks a piece of the message, as it arrives.
   * @throws TooLargeError if the message has more elements than it may
   */
  push(piece: Uint8Array): void;
  /**
   * Checks the whole of it, at its end.
   * @throws TooLargeError if the message has more elements than it may
   * @throws InvalidRequestError if it is not a message of the schema
   */
  end(message: Uint8Array): void;
}

export function createMessageCheck(
  schema: DescMessage,
  { isJson, maxElements }: { readonly isJson: boolean; readonly maxElements: number },
): MessageCheck {
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
      const detail = thrown instanceof Error ? `: ${thrown.message.slice(0, 200)}` : "";
      const message = `the message cannot be decoded as ${schema.typeName}${detail}`;
      unreadable = new InvalidRequestError(message, { cause: thrown });
    }
  }

  return {
    push: (piece) => {
      if (!isJson) check(() => scan.push(piece));
    },
    end: (message) => {
      check(isJson ? () => checkJson(schema, { message, budget }) : scan.end);
      if (unreadable) throw unreadable;
    },
  };
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** A text of digits, written in whatever way: reading it as an integer takes time in the square of its length. */
const longInteger = /"[\s\d\\untrfb+-]{100,}"/;

/** Reads it once and forgets it: the library's own error for what it cannot read may be as long as the message. */
function checkJson(
  schema: DescMessage,
  { message, budget }: { readonly message: Uint8Array; readonly budget: WorkBudget },
): void {
  chargeJson(message, budget);
  const json = strictUtf8.decode(message);
  if (longInteger.test(json)) throw new RangeError("an integer of more than 100 digits");
  fromJsonString(schema, json, { ignoreUnknownFields: true });
}
