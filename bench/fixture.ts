import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytesTensor } from "@tensorgate/core";
import { predictRequestSegments } from "@tensorgate/tf-serving";

/** Length of the picture, in bytes: that of a small photo. */
export const pictureBytes = 100_000;

/** Longest comment segment of a JPEG, its length field included. */
const longestComment = 65_535;

/** A JPEG of exactly `pictureBytes`: the sample picture with comments in front. */
export function benchPicture(): Uint8Array {
  const star = readFileSync(new URL("../examples/pictures/star.jpg", import.meta.url));
  const parts: Buffer[] = [star.subarray(0, 2)];
  for (let missing = pictureBytes - star.length; missing > 0; ) {
    const length = Math.min(missing, longestComment + 2);
    const comment = Buffer.alloc(length, 0x20);
    comment.set([0xff, 0xfe]);
    comment.writeUInt16BE(length - 2, 2);
    parts.push(comment);
    missing -= length;
  }
  return Buffer.concat([...parts, star.subarray(2)]);
}

export interface Fixture {
  /** The picture itself. */
  readonly pictureFile: string;
  /** A `PredictRequest` with it, as gRPC frames it. */
  readonly predictFile: string;
}

/** Writes what the load generator sends to files of `folder`. */
export function writeFixture(folder: string): Fixture {
  const picture = benchPicture();
  const message = Buffer.concat(
    predictRequestSegments({
      modelSpec: { name: "bench" },
      inputs: new Map([["images", bytesTensor([1], [picture])]]),
      outputFilter: ["scores"],
    }),
  );
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const fixture = {
    pictureFile: join(folder, "picture.jpg"),
    predictFile: join(folder, "predict.grpc"),
  };
  writeFileSync(fixture.pictureFile, picture);
  writeFileSync(fixture.predictFile, Buffer.concat([prefix, message]));
  return fixture;
}
