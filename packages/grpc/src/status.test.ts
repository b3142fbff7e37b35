import { expect, test } from "vitest";
import { decodeMessage, encodeMessage, readDetails, readStatus, statusFields } from "./wire.ts";

/** Node parses this one, and its types say otherwise. */
const replyStatus = (status: number) => ({ ":status": status as unknown as string });

test("a gRPC status wins over the HTTP status that it comes with", () => {
  expect(readStatus({ ...replyStatus(503), "grpc-status": "3" }, {})).toMatchObject({
    code: 3,
  });
});

test.each(["", "-1", "17", "1e1", "0x0", "999999999999", "3, 3"])(
  "a status that is no code (%j) is UNKNOWN",
  (text) => {
    expect(readStatus({ ...replyStatus(200), "grpc-status": text }, {})?.code).toBe(2);
  },
);

test("what is written is read back", () => {
  const details = Uint8Array.of(8, 3);
  const fields = statusFields({ code: 3, message: "100% of “x”\n", details });

  expect(readStatus(replyStatus(200), fields)).toMatchObject({
    code: 3,
    message: "100% of “x”\n",
  });
  expect([...readDetails(fields)]).toEqual([8, 3]);
});

test("OK is written without a message", () => {
  expect(statusFields({ code: 0, message: "" })).toEqual({ "grpc-status": "0" });
});

test.each([
  { message: "no such model", encoded: "no such model" },
  { message: "50%", encoded: "50%25" },
  { message: " a: b ", encoded: "%20a: b%20" },
  { message: "größer\r\n", encoded: "gr%C3%B6%C3%9Fer%0D%0A" },
  { message: "\ud800!", encoded: "%EF%BF%BD!" },
])("the message $message is written as $encoded", ({ message, encoded }) => {
  expect(encodeMessage(message)).toBe(encoded);
});

test.each(["%", "%zz", "%ff"])("a message that is not well encoded (%j) comes as it is", (text) => {
  expect(decodeMessage(text)).toBe(text);
});

test("a reply in gRPC's content type without a status has none yet", () => {
  expect(readStatus({ ...replyStatus(200), "content-type": "application/grpc" }, {})).toBe(
    undefined,
  );
});
