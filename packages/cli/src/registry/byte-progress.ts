import type { Progress } from "@tensorgate/registry";
import type { TerminalStream } from "../score/progress-bar.ts";
import { byteText } from "./byte-text.ts";

/** Shows how far long work is, in the last line of a terminal; shows nothing elsewhere. */
export interface ByteProgress extends Disposable {
  readonly onProgress: (progress: Progress) => void;
}

const clearLine = "\r\u001b[2K";

/** @param what - the work, such as `copying` */
export function createByteProgress(what: string, stream: TerminalStream): ByteProgress {
  let shown = "";
  return {
    onProgress: ({ doneBytes, totalBytes }) => {
      if (!stream.isTTY) return;
      const text = `${what}: ${byteText(doneBytes)} of ${byteText(totalBytes)}`;
      if (text === shown) return;
      shown = text;
      stream.write(clearLine + text);
    },
    [Symbol.dispose]: () => {
      if (shown !== "") stream.write(clearLine);
    },
  };
}
