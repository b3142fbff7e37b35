import sharp from "sharp";
import { expect, test } from "vitest";
import { pictureOf } from "../../bench/picture.ts";
import {
  connectJson,
  connectProto,
  grpc,
  predict,
  restBase64,
  restPicture,
} from "../../bench/requests.ts";

// 65,537 bytes is the longest segment: what is left after it must not be too short for another one.
test.each([1_000, 2_000, 66_224, 66_225, 66_228, 100_000, 1_000_000])(
  "a picture of %i bytes has that length and can be decoded",
  async (byteCount) => {
    const picture = pictureOf(byteCount);

    expect(picture).toHaveLength(byteCount);
    expect((await sharp(picture).raw().toBuffer()).length).toBe(64 * 64 * 3);
  },
);

test("every kind of request holds the picture", () => {
  const picture = pictureOf(2_000);
  const base64 = picture.toString("base64");

  expect(Buffer.from(restPicture.body(2_000))).toEqual(picture);
  for (const { body } of [connectProto, grpc, predict]) {
    expect(Buffer.from(body(2_000)).includes(picture)).toBe(true);
  }
  for (const { body } of [restBase64, connectJson]) {
    expect(Buffer.from(body(2_000)).includes(base64)).toBe(true);
  }
});

test.each([
  ["of other labels", { results: [{ labels: [{ label: "label 1", score: 0.5 }] }] }],
  ["of other scores", { results: [{ labels: [{ label: "label 0", score: 0.4 }] }] }],
  ["without labels", { results: [] }],
])("an answer %s is not right, whatever its status", (_, answer) => {
  expect(restPicture.isRight(Buffer.from(JSON.stringify(answer)))).toBe(false);
});
