import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { buffer } from "node:stream/consumers";
import type { RequestKind } from "./requests.ts";

/**
 * Sends one request, and checks the answer: a wrong one with status 200 is fast.
 *
 * @param origin - such as `https://127.0.0.1:8080`; its certificate is not verified
 * @returns length of the body of the right answer, in bytes
 */
export async function rightAnswerBytes(
  origin: string,
  kind: RequestKind,
  pictureBytes: number,
): Promise<number> {
  const ask = kind.http === "2" ? askOverHttp2 : askOverHttp1;
  const { status, body } = await ask(origin, kind, kind.body(pictureBytes));
  if (status !== 200 || !kind.isRight(body)) {
    const text = body.toString("latin1").slice(0, 200);
    throw new Error(`${origin}${kind.path} answered ${status}: ${JSON.stringify(text)}`);
  }
  return body.byteLength;
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

async function askOverHttp1(origin: string, kind: RequestKind, body: Uint8Array): Promise<Answer> {
  const { request } = origin.startsWith("https:") ? https : http;
  const sent = request(`${origin}${kind.path}`, {
    method: "POST",
    headers: { ...kind.headers, "content-length": body.byteLength },
    agent: false,
    rejectUnauthorized: false,
  });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  return { status: response.statusCode ?? 0, body: await buffer(response) };
}

async function askOverHttp2(origin: string, kind: RequestKind, body: Uint8Array): Promise<Answer> {
  const session = http2.connect(origin, { rejectUnauthorized: false });
  const failed = once(session, "close").then(() => {
    throw new Error(`${origin} closed the connection`);
  });
  failed.catch(() => {});
  const stream = session.request({ ...kind.headers, ":method": "POST", ":path": kind.path });
  const responded = once(stream, "response");
  stream.end(body);
  const [headers] = (await Promise.race([responded, failed])) as [http2.IncomingHttpHeaders];
  const answer = { status: Number(headers[":status"]), body: await buffer(stream) };
  session.close();
  return answer;
}
