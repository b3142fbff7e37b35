import type { Preprocessing } from "@tensorgate/core";

/** Says how a picture is prepared, such as `decode, shorter side 256, middle 224×224, minus 123.68 116.78 103.94`. */
export function preprocessingText({
  resize,
  mean,
  scale,
  channelOrder,
  layout = "nhwc",
  dtype = "FP32",
}: Preprocessing): string {
  const scales = typeof scale === "number" ? [scale] : scale;
  return [
    "decode",
    resizeText(resize),
    ...(mean.some((each) => each !== 0) ? [`minus ${mean.map(short).join(" ")}`] : []),
    ...(scales.some((each) => each !== 1) ? [`times ${scales.map(short).join(" ")}`] : []),
    ...(channelOrder === "rgb" ? [] : [channelOrder]),
    ...(layout === "nhwc" ? [] : [layout]),
    ...(dtype === "FP32" ? [] : [dtype]),
  ].join(", ");
}

function resizeText(resize: Preprocessing["resize"]): string {
  switch (resize.kind) {
    case "warp":
      return `${resize.heightPx}×${resize.widthPx}`;
    case "shorter-side":
      return `shorter side ${resize.px}, middle ${resize.crop.heightPx}×${resize.crop.widthPx}`;
    case "letterbox":
      return `letterbox ${resize.heightPx}×${resize.widthPx}`;
    case "fit":
      return `longer side at most ${resize.longerPx}`;
  }
}

/** At most six digits. */
const short = (value: number) => String(Number(value.toPrecision(6)));
