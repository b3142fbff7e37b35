import { mkdtempSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pinned, spawnPinned } from "../process.ts";
import type { LaunchContext, Peer } from "./peer.ts";

export interface NginxOptions {
  /** What its listener speaks: one without TLS speaks either, one with TLS both. */
  readonly http: "1.1" | "2";
  readonly isTls?: boolean;
}

const pollIntervalMs = 2;

/** nginx that passes bodies on by gRPC, as they are: it translates nothing, which makes it a bound. */
export function nginx({ http, isTls = false }: NginxOptions): Peer {
  return {
    name: "nginx",
    warmUpRequests: 1_000,
    start: async (context) => {
      const port = await freePort();
      const folder = mkdtempSync(join(context.folder, "nginx-"));
      const config = join(folder, "nginx.conf");
      const form = `${isTls ? " ssl" : ""}${http === "2" ? " http2" : ""}`;
      writeFileSync(config, configText({ context, folder, listen: `127.0.0.1:${port}${form}` }));
      const command = ["nginx", "-p", folder, "-c", config, "-g", "daemon off;"];
      const child = spawnPinned(command, { core: context.core });
      await untilListening(port);
      return pinned(child, port);
    },
  };
}

interface ConfigOptions {
  readonly context: LaunchContext;
  readonly folder: string;
  readonly listen: string;
}

function configText({ context, folder, listen }: ConfigOptions): string {
  const { backend, tls } = context;
  return `worker_processes 1;
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
