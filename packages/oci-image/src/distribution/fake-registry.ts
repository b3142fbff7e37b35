import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A container registry in memory, for tests. It misbehaves as `intercept` says. */
export interface FakeRegistry extends AsyncDisposable {
  /** Such as `127.0.0.1:5000`. */
  readonly host: string;
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, Buffer>;
  /** Requests so far, such as `PATCH /v2/m/blobs/uploads/1`. */
  readonly requests: string[];
  /** Called before each request; true if it has answered. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** @see OCI distribution specification 1.1 */
export async function startFakeRegistry(): Promise<FakeRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Buffer>();
  const uploads = new Map<string, Buffer>();
  const requests: string[] = [];
  const server: Server = createServer(async (request, response) => {
    const { method = "", url = "" } = request;
    requests.push(`${method} ${url}`);
    if (fake.intercept(request, response)) return;
    const [path = "", query] = url.split("?");
    const digest = new URLSearchParams(query).get("digest") ?? "";
    const name = path.split("/").at(-1) ?? "";
    const upload = uploads.get(name) ?? Buffer.alloc(0);
    const answer = (status: number, headers: Record<string, string> = {}, body?: Buffer) =>
      response.writeHead(status, headers).end(method === "HEAD" ? undefined : body);
    if (path.endsWith("/blobs/uploads/")) {
      const mount = new URLSearchParams(query).get("mount") ?? "";
      if (blobs.has(mount)) return answer(201);
      const id = String(uploads.size + 1);
      uploads.set(id, Buffer.alloc(0));
      return answer(202, { location: `${path}${id}` });
    }
    if (path.includes("/blobs/uploads/")) {
      const known = { location: path, range: `0-${upload.length - 1}` };
      if (method === "GET") return answer(204, known);
      const start = Number(request.headers["content-range"]?.split("-")[0] ?? upload.length);
      if (start !== upload.length) return answer(416, known);
      const pieces: Buffer[] = [];
      // What arrived before a connection broke is kept, as registries do.
      await request.forEach((piece: Buffer) => void pieces.push(piece)).catch(() => {});
      const all = Buffer.concat([upload, ...pieces]);
      uploads.set(name, all);
      if (method === "PATCH") return answer(202, { location: path, range: `0-${all.length - 1}` });
      if (digestOf(all) !== digest) return answer(400, {}, errorBody("digest does not match"));
      blobs.set(digest, all);
      return answer(201);
    }
    if (path.includes("/blobs/")) {
      const blob = blobs.get(name);
      if (!blob) return answer(404, {}, errorBody("blob unknown to registry"));
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (from === 0) return answer(200, { "content-length": String(blob.length) }, blob);
      const range = `bytes ${from}-${blob.length - 1}/${blob.length}`;
      return answer(206, { "content-range": range }, blob.subarray(from));
    }
    if (method === "DELETE") {
      const bytes = manifests.get(name);
      for (const [key, each] of manifests) if (each === bytes) manifests.delete(key);
      return answer(bytes ? 202 : 404);
    }
    if (method === "PUT") {
      const bytes = Buffer.concat(await request.toArray());
      for (const key of [name, digestOf(bytes)]) manifests.set(key, bytes);
      return answer(201, { "docker-content-digest": digestOf(bytes) });
    }
    const manifest = manifests.get(name);
    if (!manifest) return answer(404, {}, errorBody("manifest unknown"));
    return answer(200, { "docker-content-digest": digestOf(manifest) }, manifest);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const fake: FakeRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs,
    manifests,
    requests,
    intercept: () => false,
    [Symbol.asyncDispose]: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
  return fake;
}

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const errorBody = (message: string) => Buffer.from(JSON.stringify({ errors: [{ message }] }));
