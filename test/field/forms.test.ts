import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startAnsweringGateway } from "../support/answering-gateway.ts";
import { samplePicture } from "../support/pictures.ts";
import type { RunningGateway } from "../support/running-gateway.ts";

let running: RunningGateway;
beforeAll(async () => {
  running = await startAnsweringGateway();
});
afterAll(() => running[Symbol.asyncDispose]());

const star = samplePicture("star");

/** A part by the lines of its headers, and what is in it. */
type Part = readonly [headers: readonly string[], content: Uint8Array | string];

function formOf(
  parts: readonly Part[],
  { boundary = "BB", before = "", after = "\r\n", lineBreak = "\r\n" } = {},
) {
  return Buffer.concat([
    Buffer.from(before),
    ...parts.flatMap(([headers, content]) => [
      Buffer.from([`--${boundary}`, ...headers, "", ""].join(lineBreak)),
      Buffer.from(content as Uint8Array),
      Buffer.from(lineBreak),
    ]),
    Buffer.from(`--${boundary}--${after}`),
  ]);
}

async function post(form: Buffer<ArrayBuffer>, contentType = "multipart/form-data; boundary=BB") {
  const response = await fetch(`${running.url}/v1/classify/shapes?topK=1`, {
    method: "POST",
    headers: { "content-type": contentType },
    body: form,
  });
  const body = (await response.json()) as Answer;
  return { status: response.status, body, ids: body.results?.map(({ id }) => id) };
}

interface Answer {
  readonly reason?: string;
  readonly results?: readonly { readonly id?: string; readonly labels?: readonly unknown[] }[];
}

interface Client {
  readonly client: string;
  readonly parts: readonly Part[];
  readonly contentType?: string;
  readonly boundary?: string;
  readonly before?: string;
  readonly after?: string;
  readonly lineBreak?: string;
  readonly ids?: readonly string[];
}

const image = 'Content-Disposition: form-data; name="image"';
const jpeg = "Content-Type: image/jpeg";

const clients: readonly Client[] = [
  { client: "curl", parts: [[[`${image}; filename="x.jpg"`, jpeg], star]] },
  {
    client: "Chrome and Firefox",
    boundary: "----WebKitFormBoundaryAbC123",
    contentType: "multipart/form-data; boundary=----WebKitFormBoundaryAbC123",
    parts: [[[`${image}; filename="5%22 screen.jpg"`, jpeg], star]],
    ids: ['5" screen.jpg'],
  },
  {
    // https://github.com/dotnet/runtime/issues/72447: values without quotes, a name in two forms, a boundary in quotes
    // and no type are refused by parsers that want what browsers write.
    client: ".NET and PowerShell",
    contentType: 'multipart/form-data; boundary="3f2504e0-4f89-41d3-9a0c-0305e82c3301"',
    boundary: "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    parts: [
      [
        ["Content-Disposition: form-data; name=image; filename=x.jpg; filename*=utf-8''x.jpg"],
        star,
      ],
    ],
  },
  {
    client: ".NET, for a name that is not ASCII",
    parts: [
      [
        [
          "Content-Disposition: form-data; name=image; filename=\"=?utf-8?B?xLxrLmpwZw==?=\"; filename*=utf-8''%C4%BCk.jpg",
        ],
        star,
      ],
    ],
    ids: ["ļk.jpg"],
  },
  {
    // https://github.com/whatwg/html/issues/6282, https://github.com/Alamofire/Alamofire/issues/2647 and
    // https://github.com/defnull/multipart/issues/60: a quote in a name is escaped in three ways, and cuts the name, or
    // the whole form, short.
    client: "Go, Java and older versions of curl",
    parts: [
      [
        [`${image}; filename="5\\" screen\\\\;.jpg"`, "Content-Type: application/octet-stream"],
        star,
      ],
    ],
    ids: ['5" screen\\;.jpg'],
  },
  {
    client: "Go, with a quote in the field's name, among others",
    parts: [
      [['Content-Disposition: form-data; name="comment"'], "a form of three parts"],
      [['Content-Disposition: form-data; name="a\\"b"', jpeg], star],
      [[`${image}; filename="x.jpg"`, jpeg], star],
    ],
    ids: ['a"b', "x.jpg"],
  },
  {
    client: "Python's requests and urllib3",
    boundary: "9051914041544843365972754266",
    contentType: "multipart/form-data; boundary=9051914041544843365972754266",
    parts: [[[`${image}; filename="x.jpg"`], star]],
  },
  {
    client: "Python's aiohttp",
    parts: [
      [
        [
          jpeg,
          `Content-Length: ${star.length}`,
          `${image}; filename="x.jpg"; filename*=utf-8''x.jpg`,
        ],
        star,
      ],
    ],
  },
  {
    client: "OkHttp, Retrofit and Guzzle",
    parts: [[[`${image}; filename="x.jpg"`, jpeg, `Content-Length: ${star.length}`], star]],
  },
  {
    client: "Apache HttpClient",
    boundary: "k3pXhD-_a7GdV1",
    contentType: "multipart/form-data; charset=ISO-8859-1; boundary=k3pXhD-_a7GdV1",
    parts: [
      [
        [
          `${image}; filename="x.jpg"`,
          "Content-Type: application/octet-stream; charset=ISO-8859-1",
          "Content-Transfer-Encoding: binary",
        ],
        star,
      ],
    ],
  },
  {
    client: "Jakarta Mail",
    boundary: "----=_Part_5_1249.1606",
    contentType: 'multipart/form-data;\tboundary="----=_Part_5_1249.1606"',
    parts: [[[jpeg, `content-disposition: form-data;\r\n\tname="image"; filename="x.jpg"`], star]],
  },
  {
    // https://github.com/nodejs/undici/issues/4660 and https://github.com/nodejs/undici/issues/3760: text before the
    // first boundary, a line break after the last one, and other letter case are refused, by some versions of Node.
    client: "a mail library, with text before and after",
    before: "This is a message in several parts.\r\n",
    after: "\r\nthe end\r\n",
    contentType: "Multipart/Form-Data; Boundary=BB",
    parts: [[["CONTENT-DISPOSITION:FORM-DATA;NAME=image;FILENAME=x.jpg"], star]],
  },
  {
    // https://github.com/mscdex/busboy/issues/343 and https://github.com/expressjs/multer/issues/1216: a part without a
    // file name is a text field, whatever its type says.
    client: "a client that gives blobs no name",
    parts: [
      [[image, jpeg], star],
      [
        ['Content-Disposition: form-data; name="second"', "Content-Type: application/octet-stream"],
        star,
      ],
    ],
    ids: ["image", "second"],
  },
  {
    // https://github.com/Kludex/python-multipart/pull/306, https://github.com/cetra3/mpart-async/issues/24 and
    // https://github.com/mistweaverco/kulala-core/issues/26: some or all lines of a form end with LF alone, and none of
    // its parts is found.
    client: "a script that ends its lines with LF",
    lineBreak: "\n",
    after: "\n",
    parts: [
      [['Content-Disposition: form-data; name="comment"'], "by hand"],
      [[`${image}; filename="x.jpg"`, jpeg], star],
    ],
  },
  {
    client: "a mail library that splits names",
    parts: [
      [['Content-Disposition: form-data; name=image; filename*0="a long"; filename*1=.jpg'], star],
    ],
    ids: ["a long.jpg"],
  },
  {
    client: "a browser whose second file input is left empty",
    parts: [
      [[`${image}; filename="x.jpg"`, jpeg], star],
      [
        [
          'Content-Disposition: form-data; name="more"; filename=""',
          "Content-Type: application/octet-stream",
        ],
        "",
      ],
    ],
  },
];

describe("forms as clients write them", () => {
  test.each(clients)("$client", async ({ parts, contentType, ids = ["x.jpg"], ...around }) => {
    const answer = await post(formOf(parts, around), contentType);

    expect(answer.body).toMatchObject({ results: ids.map((id) => ({ id, labels: [{}] })) });
    expect(answer).toMatchObject({ status: 200, ids });
  });

  test.each([
    { name: "a text field alone", part: [[image], "x"] as const },
    { name: "a text field with a type", part: [[image, "Content-Type: text/plain"], "x"] as const },
    {
      name: "a file input that is left empty",
      part: [[`${image}; filename=""`, "Content-Type: application/octet-stream"], ""] as const,
    },
  ])("$name is no picture", async ({ part }) => {
    const { status, body } = await post(formOf([part]));

    expect(status).toBe(400);
    expect(body).toMatchObject({ reason: "invalid-request", detail: "the form has no file" });
  });
});
