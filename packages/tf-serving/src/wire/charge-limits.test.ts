import { create, toBinary } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";
import { createWorkBudget } from "@tensorgate/core";
import { FeaturesSchema } from "@tensorgate/proto/tensorgate/v1/scoring";
import { expect, test } from "vitest";
import { chargeMessage } from "./charge-message.ts";

/** A list with a value that is a list, and so on, as deep as so many messages. */
function nested(depth: number): Buffer {
  let message = Buffer.alloc(0);
  for (let level = 1; level < depth; level += 1) {
    // values of a list, list_value of a value.
    const tag = level % 2 !== depth % 2 ? [0x0a] : [0x32];
    const length =
      message.length < 128
        ? [message.length]
        : [(message.length & 0x7f) | 0x80, message.length >> 7];
    message = Buffer.concat([Buffer.from([...tag, ...length]), message]);
  }
  return message;
}

test("messages nest as deep as the library reads them, and no deeper", () => {
  const charge = (depth: number) => () =>
    chargeMessage(ListValueSchema, nested(depth), createWorkBudget(1_000));

  expect(charge(100)).not.toThrow();
  expect(charge(102)).toThrow("nested deeper than 100");
});

test("packed numbers of a fixed length cost one each", () => {
  const budget = createWorkBudget(1_000);
  const values = Array.from({ length: 100 }, (_, index) => index);

  chargeMessage(
    FeaturesSchema,
    toBinary(FeaturesSchema, create(FeaturesSchema, { values })),
    budget,
  );

  expect(budget.spent).toBe(101);
});
