import { http2Frame, http2Opening } from "../../support/raw-http.ts";
import { piece, type Site, text } from "./body.ts";
import type { CostTarget } from "./cost-target.ts";
import { maxHeadBytes } from "./cost-target.ts";
import { pictureJsonSites, servingJsonSites } from "./json-sites.ts";
import {
  formOrdinary,
  jsonOrdinary,
  keyHeader,
  restOrdinary,
  star,
  tinyPicture,
} from "./ordinary.ts";
import { pictureSites } from "./picture-sites.ts";
import {
  chunkSites,
  formSites,
  gzipSites,
  headerSites,
  http2Sites,
  querySites,
} from "./text-sites.ts";
import { post, wideOrdinary, wideReply } from "./wide.ts";

const maxRestBytes = 32 * 2 ** 20;

function rest(
  name: string,
  given: Partial<CostTarget> & Pick<CostTarget, "sites" | "send" | "group">,
): CostTarget {
  return {
    name: `rest ${name}`,
    parser: `rest ${name}`,
    maxBytes: maxRestBytes,
    ordinary: restOrdinary,
    family: "rest",
    ...given,
  };
}

/** What scans a picture's header is the same wherever the picture was found: it takes no time from forms and JSON. */
const innerPictures = "picture in a body";

const inBase64 = (before: string, after: string): readonly Site[] =>
  pictureSites.map((site) => ({
    ...site,
    name: `base64 ${site.name}`,
    group: innerPictures,
    share: 0.75,
    wrap: (content) => text(`${before}${site.wrap(content).toString("base64")}${after}`),
  }));

const inForm = pictureSites.map((site) => ({
  ...site,
  name: `file with ${site.name}`,
  group: innerPictures,
  wrap: (content: Buffer) =>
    Buffer.concat([
      text('--b\r\ncontent-disposition: form-data; name="a"; filename="a"\r\n\r\n'),
      site.wrap(content),
      text("\r\n--b--\r\n"),
    ]),
}));

const pathSite: Site = {
  name: "path",
  wrap: (content) => content,
  pieces: ["a", "/", "%41", "%", "..", "//", "%2f", ":"].map((value) => piece(value)),
};

/** The head of a request whose body comes in chunks. */
const chunkedPost = (headers: Readonly<Record<string, string>>) =>
  text(
    [
      "POST /v1/classify/shapes HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/jpeg",
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      "transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
    ].join("\r\n"),
  );

/** The head of a POST whose path and headers are written out. */
const http2Post = (headers: Readonly<Record<string, string>>) => {
  const fields = { ":path": "/v1/classify/shapes", ":authority": "localhost", ...headers };
  const block = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.of(0, name.length),
    text(name),
    Buffer.of(value.length),
    text(value),
  ]);
  return Buffer.concat([
    http2Opening,
    http2Frame("headers", 1, Buffer.concat([Buffer.of(0x83, 0x86), ...block]), 0x4),
  ]);
};

export const restTargets: readonly CostTarget[] = [
  ...["classify", "detect", "embed"].map((task) =>
    rest(`${task} picture`, {
      parser: "picture",
      group: "picture",
      sites: pictureSites,
      send: post(`/v1/${task}/shapes`, "image/jpeg"),
    }),
  ),
  rest("classify picture without key", {
    group: "picture",
    sites: pictureSites,
    send: post("/v1/classify/shapes", "image/jpeg", {}),
  }),
  ...["classify", "embed"].map((task) =>
    rest(`${task} form`, {
      parser: "form",
      group: "form",
      sites: [...formSites, ...inForm],
      send: post(`/v1/${task}/shapes`, "multipart/form-data; boundary=b"),
      ordinary: formOrdinary,
      family: "form",
    }),
  ),
  ...["classify", "detect"].map((task) =>
    rest(`${task} json`, {
      parser: "rest json",
      group: "json",
      sites: [...pictureJsonSites(), ...inBase64('{"image":{"b64":"', '"}}')],
      send: post(`/v1/${task}/shapes`, "application/json"),
      ordinary: jsonOrdinary,
      family: "json",
    }),
  ),
  rest("tensorflow predict", {
    parser: "serving json",
    group: "json",
    sites: servingJsonSites(),
    send: post("/v1/models/shapes:predict", "application/json"),
    ordinary: jsonOrdinary,
    family: "json",
  }),
  rest("gzip", {
    group: "gzip",
    sites: gzipSites,
    send: post("/v1/classify/shapes", "image/jpeg", { ...keyHeader, "content-encoding": "gzip" }),
  }),
  rest("query", {
    group: "head",
    sites: querySites,
    maxBytes: maxHeadBytes,
    send: (body) => ({
      ...post(`/v1/classify/shapes?${body.toString("latin1")}`, "image/jpeg")(star),
    }),
  }),
  rest("query of a model with many classes", {
    group: "head",
    sites: querySites,
    maxBytes: maxHeadBytes,
    send: (body) => ({
      ...post(`/v1/classify/wide?${body.toString("latin1")}`, "image/jpeg")(tinyPicture),
      reply: wideReply,
    }),
    ordinary: wideOrdinary,
    family: "wide",
  }),
  rest("path", {
    group: "head",
    sites: [pathSite],
    maxBytes: maxHeadBytes,
    send: (body) => ({ path: `/v1/${body.toString("latin1")}`, headers: keyHeader }),
  }),
  rest("headers", {
    group: "head",
    sites: headerSites,
    maxBytes: maxHeadBytes,
    send: (body, site) => ({
      path: "/v1/classify/shapes",
      headers: {
        ...keyHeader,
        "content-type": "image/jpeg",
        [(site as (typeof headerSites)[number]).header]: body.toString("latin1").trim(),
      },
      body: tinyPicture,
    }),
  }),
  ...[
    { name: "", headers: keyHeader },
    { name: " without key", headers: {} },
  ].flatMap(({ name, headers }) => [
    rest(`chunks${name}`, {
      parser: "chunks",
      group: "connection",
      sites: chunkSites,
      maxBytes: 16 * 2 ** 20,
      send: (body) => ({ path: "", raw: Buffer.concat([chunkedPost(headers), body]) }),
    }),
    rest(`HTTP/2 frames${name}`, {
      parser: "HTTP/2 frames",
      group: "connection",
      sites: http2Sites,
      maxBytes: 2 ** 20,
      send: (body) => ({ path: "", raw: Buffer.concat([http2Post(headers), body]) }),
    }),
  ]),
];
