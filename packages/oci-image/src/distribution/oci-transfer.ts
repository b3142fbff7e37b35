import { openAsBlob } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { sha256OfFile, unlessMissing } from "../files.ts";
import { OciError } from "../oci-error.ts";
import { TransientError } from "./http.ts";
import type { OciConnection } from "./oci-connection.ts";
import { openUploadState, type UploadState } from "./upload-state.ts";

/** A blob by its digest, such as `sha256:…`, its size in bytes, and the file that it is in or comes to. */
export interface BlobFile {
  readonly digest: string;
  readonly byteCount: number;
  readonly file: string;
}

export interface Upload {
  readonly url: string;
  /** Least bytes of a piece but the last, as the registry says. */
  readonly minChunkBytes: number;
}

/** @see OCI distribution specification 1.1, "Pushing blobs" */
export function beginUpload({ call, path, base, expectStatus }: OciConnection): Promise<Upload> {
  return call(`${path}/blobs/uploads/`, { method: "POST" }, async (response) => {
    await expectStatus(response, [202], "upload to");
    const minChunkBytes = Number(response.headers.get("oci-chunk-min-length") ?? 0);
    return { url: locationOf(response, base), minChunkBytes };
  });
}

/** Ends an upload, with the bytes of the blob if they have not been sent. */
export function finishUpload(
  { once, expectStatus }: OciConnection,
  url: string,
  { digest, bytes }: { readonly digest: string; readonly bytes: Uint8Array<ArrayBuffer> },
): Promise<void> {
  const target = new URL(url);
  target.searchParams.set("digest", digest);
  const headers = { "content-type": "application/octet-stream" };
  return once(String(target), { method: "PUT", headers, body: bytes }, (response) =>
    expectStatus(response, [201, 204], "upload to"),
  );
}

/**
 * Uploads a file in pieces. A piece that breaks off is continued where the registry has it, and so is an upload that an
 * earlier process could not finish, if the registry still knows it.
 *
 * @param stateFile - keeps where the upload goes on; its folder is there
 * @param onBytes - called with the number of bytes of each piece that the registry has
 */
export async function uploadFile(
  connection: OciConnection,
  { digest, byteCount, file }: BlobFile,
  {
    chunkBytes,
    onBytes,
    stateFile,
  }: {
    readonly chunkBytes: number;
    readonly onBytes: (count: number) => void;
    readonly stateFile?: string | undefined;
  },
): Promise<void> {
  const { host, retried } = connection;
  const state = openUploadState(stateFile);
  const upload = (await begunUpload(connection, state)) ?? {
    sentBytes: 0,
    ...(await beginUpload(connection)),
  };
  const pieceBytes = Math.max(chunkBytes, upload.minChunkBytes);
  const content = await openAsBlob(file);
  let at: UploadPosition = upload;
  if (at.sentBytes > byteCount) throw tooMany(at.sentBytes);
  if (at.sentBytes > 0) onBytes(at.sentBytes);
  while (at.sentBytes < byteCount) {
    const { url, sentBytes: start } = at;
    await state.write(url);
    const piece = { start, bytes: content.slice(start, Math.min(start + pieceBytes, byteCount)) };
    at = await retried(() => sendPiece(connection, url, piece));
    if (at.sentBytes > byteCount || at.sentBytes < start) {
      await state.remove();
      throw tooMany(at.sentBytes);
    }
    onBytes(at.sentBytes - start);
  }
  // An upload that is refused now, for its digest too, is not continued.
  await state.remove();
  await retried(() => finishUpload(connection, at.url, { digest, bytes: new Uint8Array() }));

  function tooMany(sentBytes: number): OciError {
    return new OciError("remote", `${host} says that it has ${sentBytes} of ${byteCount} bytes`);
  }
}

/** Asks how far an upload of an earlier process is. @returns undefined if it has to begin again */
async function begunUpload(
  { once, base }: OciConnection,
  state: UploadState,
): Promise<(Upload & UploadPosition) | undefined> {
  const url = await state.read();
  if (url === undefined) return undefined;
  const known = await once(url, { method: "GET" }, async (response) => ({
    url: response.headers.has("location") ? locationOf(response, base) : url,
    minChunkBytes: Number(response.headers.get("oci-chunk-min-length") ?? 0),
    sentBytes: response.status === 204 ? (receivedBytes(response) ?? 0) : 0,
  })).catch(() => undefined);
  // Registries write `0-0` where they have nothing, too.
  return known && known.sentBytes > 1 ? known : undefined;
}

interface UploadPosition {
  readonly url: string;
  readonly sentBytes: number;
}

async function sendPiece(
  { once, base, host, expectStatus }: OciConnection,
  url: string,
  { start, bytes }: { readonly start: number; readonly bytes: Blob },
): Promise<UploadPosition> {
  const end = start + bytes.size;
  const headers = {
    "content-type": "application/octet-stream",
    "content-range": `${start}-${end - 1}`,
  };
  try {
    return await once(url, { method: "PATCH", headers, body: bytes }, async (response) => {
      // The registry has another part of it than we know of.
      if (response.status === 416) throw new TransientError(`${host} answers 416`);
      await expectStatus(response, [202, 201, 204], "upload to");
      return { url: locationOf(response, base), sentBytes: receivedBytes(response) ?? end };
    });
  } catch (thrown) {
    if (!(thrown instanceof TransientError)) throw thrown;
    const known = await once(url, { method: "GET" }, async (response) => ({
      url: response.headers.has("location") ? locationOf(response, base) : url,
      sentBytes: response.status === 204 ? receivedBytes(response) : undefined,
    }));
    if (known.sentBytes === undefined || known.sentBytes <= start) throw thrown;
    return { url: known.url, sentBytes: known.sentBytes };
  }
}

/** Both ends of the range are included. */
function receivedBytes(response: Response): number | undefined {
  const end = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.get("range") ?? "")?.[1];
  return end === undefined ? undefined : Number(end) + 1;
}

function locationOf(response: Response, base: string): string {
  const location = response.headers.get("location");
  if (location !== null && URL.canParse(location, base)) return String(new URL(location, base));
  throw new OciError("remote", `${base} begins an upload without saying where`);
}

/**
 * Downloads a blob to a file. What an earlier attempt, or an earlier process, has left there is continued.
 *
 * @param onBytes - called with the number of bytes of each piece; a negative one if they are fetched again
 * @throws OciError `remote` if it has another digest or size; the file is removed then
 */
export async function downloadFile(
  connection: OciConnection,
  blob: BlobFile,
  onBytes: (count: number) => void,
): Promise<void> {
  const { host, retried } = connection;
  const { digest, byteCount, file } = blob;
  const size = async () => (await stat(file).catch(unlessMissing(undefined)))?.size;
  onBytes((await size()) ?? 0);
  try {
    await retried(async () => {
      const start = (await size()) ?? 0;
      if (start < byteCount || byteCount === 0)
        await downloadRest(connection, { ...blob, start }, onBytes);
      const have = (await size()) ?? 0;
      if (have < byteCount) {
        throw new TransientError(`${host} broke off after ${have} of ${byteCount} bytes`);
      }
    });
    const actual = `sha256:${await sha256OfFile(file)}`;
    if (actual !== digest) throw wrongDigest(`a blob of ${host}`, digest, actual);
  } catch (thrown) {
    // What is wrong must not be continued.
    if (thrown instanceof OciError && !(thrown.cause instanceof TransientError)) {
      await rm(file, { force: true });
    }
    throw thrown;
  }
}

function downloadRest(
  { host, once, path, expectStatus }: OciConnection,
  { digest, byteCount, file, start }: BlobFile & { readonly start: number },
  onBytes: (count: number) => void,
): Promise<void> {
  const headers = start > 0 ? { range: `bytes=${start}-` } : {};
  return once(`${path}/blobs/${digest}`, { method: "GET", headers }, async (response, touch) => {
    await expectStatus(response, [200, 206], "pull from");
    const range = response.headers.get("content-range") ?? "";
    const isRest = response.status === 206 && range.startsWith(`bytes ${start}-`);
    let have = isRest ? start : 0;
    onBytes(have - start);
    await using output = await open(file, isRest ? "a" : "w");
    for await (const piece of response.body ?? []) {
      touch();
      have += piece.length;
      if (have > byteCount) {
        const text = `${host} sends more than the ${byteCount} bytes of ${digest}`;
        throw new OciError("remote", text);
      }
      await output.writeFile(piece);
      onBytes(piece.length);
    }
  });
}

export function wrongDigest(what: string, expected: string, actual: string): OciError {
  return new OciError("remote", `${what} has digest ${actual}, not ${expected}`);
}
