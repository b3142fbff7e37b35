import { mkdtempSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pinned, spawnPinned } from "../process.ts";
import type { LaunchContext, Peer } from "./peer.ts";
import { childrenWhenThere, limitWorkers } from "./worker-quota.ts";

export interface NginxOptions {
  /** What its listener speaks: one without TLS speaks either, one with TLS both. */
  readonly http: "1.1" | "2";
  readonly isTls?: boolean;
  /** Each has `coreShare` of a core; by default there is one, without a quota. */
  readonly workers?: number;
}

const pollIntervalMs = 2;

/** nginx that passes bodies on by gRPC, as they are: it translates nothing, which makes it a bound. */
export function nginx({ http, isTls = false, workers }: NginxOptions): Peer {
  return {
    name: "nginx",
    warmUpRequests: 1_000,
    start: async (context) => {
      const port = await freePort();
      const folder = mkdtempSync(join(context.folder, "nginx-"));
      const config = join(folder, "nginx.conf");
      const form = `${isTls ? " ssl" : ""}${http === "2" ? " http2" : ""}`;
      const listen = `127.0.0.1:${port}${form}${workers ? " reuseport" : ""}`;
      writeFileSync(config, configText({ context, folder, listen, workers: workers ?? 1 }));
      const command = ["nginx", "-p", folder, "-c", config, "-g", "daemon off;"];
      const child = spawnPinned(command, { core: context.core });
      await untilListening(port);
      const program = pinned(child, port);
      if (!workers) return program;
      return limitWorkers(program, await childrenWhenThere(program.pid, workers));
    },
  };
}

interface ConfigOptions {
  readonly context: LaunchContext;
  readonly folder: string;
  readonly listen: string;
  readonly workers: number;
}

function configText({ context, folder, listen, workers }: ConfigOptions): string {
  const { backend, tls } = context;
  return `worker_processes ${workers};
error_log stderr crit;
pid ${folder}/nginx.pid;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  client_body_buffer_size 4m;
  client_max_body_size 64m;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams 256;
  http2_body_preread_size 1m;
  ssl_certificate ${tls.cert};
  ssl_certificate_key ${tls.key};
  upstream replicas { server 127.0.0.1:${backend.port}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen ${listen};
    location / { grpc_pass grpc://replicas; grpc_buffer_size 64k; }
  }
}
`;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { readonly port: number };
      server.close(() => resolve(port));
    });
  });
}

async function untilListening(port: number): Promise<void> {
  const isListening = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
  while (!(await isListening())) await sleep(pollIntervalMs);
}
