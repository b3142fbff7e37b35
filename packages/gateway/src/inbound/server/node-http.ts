import type http from "node:http";
import type http2 from "node:http2";

/** One HTTP exchange of either version, as Node gives it. */
export type NodeRequest = http.IncomingMessage | http2.Http2ServerRequest;
export type NodeResponse = http.ServerResponse | http2.Http2ServerResponse;

/** Receives each exchange. */
export type OnRequest = (request: NodeRequest, response: NodeResponse) => void;

/** Answers one exchange; rejects if no response can be written. */
export type Respond = (request: NodeRequest, response: NodeResponse) => Promise<void>;
