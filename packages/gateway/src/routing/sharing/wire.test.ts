import { expect, test } from "vitest";
import { followerMessage } from "./wire.ts";

test.each(["roundTripMs", "expectedWaitMs"])(
  "what another gateway has measured is a number or absent: %s",
  (name) => {
    const answered = { type: "answered", attemptId: 1 };

    expect(followerMessage({ ...answered })).toEqual(answered);
    expect(followerMessage({ ...answered, [name]: 2 })).toEqual({ ...answered, [name]: 2 });
    for (const value of ["2", null, {}]) {
      expect(() => followerMessage({ ...answered, [name]: value } as typeof answered)).toThrow(
        `${name} of answered is no number`,
      );
    }
  },
);
