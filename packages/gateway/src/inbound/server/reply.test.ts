import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { sendReply } from "./reply.ts";

test.each(["", "star", "größe", "\u0080\u00ff", "尺寸 🙂", "a".repeat(40_000), "é".repeat(40_000)])(
  "a text is sent as UTF-8, whatever its characters: %.10s",
  async (body) => {
    const server = http.createServer((_request, response) => {
      sendReply(response, { status: 200, headers: {}, body });
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;

    const response = await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } });
    const bytes = Buffer.from(await response.arrayBuffer());
    server.close();

    expect(bytes.equals(Buffer.from(body, "utf8"))).toBe(true);
    expect(response.headers.get("content-length")).toBe(String(bytes.byteLength));
  },
);
