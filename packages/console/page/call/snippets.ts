/** The call of a snippet. */
export interface SnippetCall {
  /** Of the gateway. */
  readonly origin: string;
  readonly task: "classify" | "detect" | "embed" | "predict";
  readonly model: string;
  /** Name of the file with the picture. */
  readonly file: string;
  /** Path of the picture at the gateway, if it is a sample. */
  readonly sample?: string | undefined;
  readonly contentType: string;
  readonly needsKey: boolean;
  /** Settings of the call, by their names in the clients and in a query. */
  readonly options?: Readonly<Record<string, unknown>>;
}

export const languages = ["curl", "Node", "Browser", "Python"] as const;

export type Language = (typeof languages)[number];

/** Returns a call in a language, ready to be pasted. */
export function snippet(language: Language, call: SnippetCall): string {
  return { curl, Node: node, Browser: browser, Python: python }[language](call);
}

/** URL of the call. Tensors are scored by TensorFlow Serving's REST API. */
function urlOf({ origin, task, model, options = {} }: SnippetCall): string {
  const name = encodeURIComponent(model);
  if (task === "predict") return `${origin}/v1/models/${name}:predict`;
  const query = new URLSearchParams(
    Object.entries(options).map(([key, value]) => [key, String(value)]),
  ).toString();
  return `${origin}/v1/${task}/${name}${query && `?${query}`}`;
}

function curl(call: SnippetCall): string {
  const { origin, task, file, sample, contentType, needsKey } = call;
  const end = [
    ...(needsKey ? ['-H "authorization: Bearer $TENSORGATE_API_KEY"'] : []),
    shellWord(urlOf(call)),
  ].join(" ");
  const fetched = sample ? `curl -s ${shellWord(origin + sample)} | ` : "";
  if (task === "predict") {
    const read = sample ? `${fetched}base64` : `base64 < ${shellWord(file)}`;
    const body = `tr -d '\\n' | sed 's/.*/{"instances": [{"b64": "&"}]}/'`;
    return `${read} | ${body} | curl --data-binary @- -H 'content-type: application/json' ${end}`;
  }
  const body = sample ? "-" : shellWord(file);
  return `${fetched}curl --data-binary @${body} -H 'content-type: ${contentType}' ${end}`;
}

/** Options as the last argument of a client's method, with the comma before it. */
const argument = ({ options = {} }: SnippetCall) =>
  Object.keys(options).length === 0
    ? ""
    : `, { ${Object.entries(options)
        .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
        .join(", ")} }`;

function node(call: SnippetCall): string {
  const { origin, task, model, file, sample } = call;
  if (task === "predict") return nodePredict(call);
  const picture = sample ? `await (await fetch(${text(origin + sample)})).blob()` : text(file);
  return [
    'import { ScoringClient } from "@tensorgate/client";',
    "",
    `const client = new ScoringClient({ baseUrl: ${text(origin)} });`,
    `console.log(await client.${task}(${text(model)}, ${picture}${argument(call)}));`,
    "client.close();",
  ].join("\n");
}

function nodePredict(call: SnippetCall): string {
  const { origin, sample, file, needsKey } = call;
  const bytes = sample
    ? `Buffer.from(await (await fetch(${text(origin + sample)})).arrayBuffer())`
    : `readFileSync(${text(file)})`;
  const key = needsKey ? ', authorization: "Bearer " + process.env.TENSORGATE_API_KEY' : "";
  return [
    ...(sample ? [] : ['import { readFileSync } from "node:fs";', ""]),
    `const b64 = ${bytes}.toString("base64");`,
    `const response = await fetch(${text(urlOf(call))}, {`,
    '  method: "POST",',
    `  headers: { "content-type": "application/json"${key} },`,
    "  body: JSON.stringify({ instances: [{ b64 }] }),",
    "});",
    "console.log(await response.json());",
  ].join("\n");
}

function browser(call: SnippetCall): string {
  const { origin, task, model, needsKey } = call;
  const key = needsKey ? ", apiKey: () => prompt('Key')" : "";
  const answer =
    task === "predict"
      ? [
          "    const bytes = new Uint8Array(await target.files[0].arrayBuffer());",
          "    const b64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));",
          `    const response = await fetch(${text(urlOf(call))}, {`,
          "      method: 'POST',",
          `      headers: { 'content-type': 'application/json'${needsKey ? ", authorization: 'Bearer ' + prompt('Key')" : ""} },`,
          "      body: JSON.stringify({ instances: [{ b64 }] }),",
          "    });",
          "    const answer = await response.json();",
        ]
      : [
          `    const answer = await client.${task}(${text(model)}, target.files[0]${argument(call)});`,
        ];
  return [
    '<input type="file" accept="image/*" />',
    '<pre id="answer"></pre>',
    '<script type="module">',
    ...(task === "predict"
      ? []
      : [
          `  import { ScoringClient } from ${text(`${origin}/web-client.js`)};`,
          "",
          `  const client = new ScoringClient({ baseUrl: ${text(origin)}${key} });`,
        ]),
    '  document.querySelector("input").onchange = async ({ target }) => {',
    ...answer,
    '    document.querySelector("#answer").textContent = JSON.stringify(answer, null, 2);',
    "  };",
    "</script>",
  ].join("\n");
}

function python(call: SnippetCall): string {
  const { origin, task, file, sample, contentType, needsKey } = call;
  const key = '"authorization": "Bearer " + os.environ["TENSORGATE_API_KEY"]';
  const picture = sample
    ? `requests.get(${text(origin + sample)}).content`
    : `open(${text(file)}, "rb").read()`;
  const isPredict = task === "predict";
  const headers = [
    ...(isPredict ? [] : [`"content-type": ${text(contentType)}`]),
    ...(needsKey ? [key] : []),
  ];
  return [
    ...(isPredict ? ["import base64"] : []),
    ...(needsKey ? ["import os"] : []),
    "import requests",
    "",
    `picture = ${picture}`,
    "answer = requests.post(",
    `    ${text(urlOf(call))},`,
    isPredict
      ? '    json={"instances": [{"b64": base64.b64encode(picture).decode()}]},'
      : "    data=picture,",
    ...(headers.length > 0 ? [`    headers={${headers.join(", ")}},`] : []),
    ")",
    "answer.raise_for_status()",
    "print(answer.json())",
  ].join("\n");
}

/** Returns a string literal of JavaScript and Python. */
const text = (value: string) => JSON.stringify(value);

function shellWord(value: string): string {
  return /^[\w./:%@-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
