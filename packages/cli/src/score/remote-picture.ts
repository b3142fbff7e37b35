import { UpstreamFailedError } from "@tensorgate/core";

/** Time limit of the whole download of a picture, in milliseconds. */
const maxDownloadMs = 60_000;

export const isWebAddress = (name: string): boolean => /^https?:\/\//i.test(name);

/**
 * Downloads a picture, once it is read.
 *
 * @throws UpstreamFailedError, while it is read, if there is no such picture
 */
export async function* remotePicture(url: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(maxDownloadMs)]);
  const response = await fetch(url, { signal: limit }).catch((thrown: Error) => {
    const { cause } = thrown;
    const why = cause instanceof Error ? cause.message : thrown.message;
    throw new UpstreamFailedError(`${url} cannot be downloaded: ${why}`);
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new UpstreamFailedError(`${url} cannot be downloaded: HTTP ${response.status}`);
  }
  if (response.body) yield* response.body;
}
