import type { PerChannel } from "@tensorgate/core";
import type { Layout } from "@tensorgate/model-server";
import { CommandError } from "./command-error.ts";

/** Reads a layout. @throws CommandError for another text */
export function layoutFrom(text: string): Layout {
  const layout = text.trim().toLowerCase();
  if (layout === "nchw" || layout === "nhwc") return layout;
  throw new CommandError(`unknown layout "${text}"; expected NCHW or NHWC`);
}

/** Reads a size such as `224` or `300x400`, height first. @throws CommandError for another text */
export function sizeFrom(text: string): readonly [number, number] {
  const [height = Number.NaN, width = height] = text.trim().split("x").map(Number);
  const isSide = (side: number) => Number.isInteger(side) && side >= 1 && side <= 4_096;
  if (isSide(height) && isSide(width)) return [height, width];
  throw new CommandError(
    `invalid size "${text}"; expected pixels such as 224, or HEIGHTxWIDTH such as 300x400`,
  );
}

/** Reads three numbers, or one for all channels. @throws CommandError for another text */
export function channelsFrom(text: string): PerChannel {
  const numbers = text.split(",").map(Number);
  const [red = Number.NaN, green = red, blue = red] = numbers;
  const isOneOrThree = numbers.length === 1 || numbers.length === 3;
  if (isOneOrThree && [red, green, blue].every(Number.isFinite)) return [red, green, blue];
  throw new CommandError(
    `invalid value "${text}"; expected three numbers such as 0.485,0.456,0.406`,
  );
}
