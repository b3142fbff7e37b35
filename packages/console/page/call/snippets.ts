/** The call of a snippet. */
export interface SnippetCall {
  /** Of the gateway. */
  readonly origin: string;
  readonly task: "classify" | "detect";
  readonly model: string;
  /** Name of the file with the picture. */
  readonly file: string;
  readonly contentType: string;
  readonly needsKey: boolean;
}

export const languages = ["curl", "Node", "Browser", "Python"] as const;

export type Language = (typeof languages)[number];

/** Returns a call in a language, ready to be pasted. */
export function snippet(language: Language, call: SnippetCall): string {
  return { curl, Node: node, Browser: browser, Python: python }[language](call);
}

const pathOf = ({ task, model }: SnippetCall) => `/v1/${task}/${encodeURIComponent(model)}`;

function curl(call: SnippetCall): string {
  const { origin, file, contentType, needsKey } = call;
  return [
    `curl --data-binary @${shellWord(file)}`,
    `-H 'content-type: ${contentType}'`,
    ...(needsKey ? ['-H "authorization: Bearer $TENSORGATE_API_KEY"'] : []),
    shellWord(origin + pathOf(call)),
  ].join(" ");
}

function node({ origin, task, model, file }: SnippetCall): string {
  return [
    'import { ScoringClient } from "@tensorgate/client";',
    "",
    `const client = new ScoringClient({ baseUrl: ${text(origin)} });`,
    `console.log(await client.${task}(${text(model)}, ${text(file)}));`,
    "client.close();",
  ].join("\n");
}

function browser({ origin, task, model, needsKey }: SnippetCall): string {
  const key = needsKey ? ", apiKey: () => prompt('Key')" : "";
  return [
    '<input type="file" accept="image/*" />',
    '<pre id="answer"></pre>',
    '<script type="module">',
    `  import { ScoringClient } from ${text(`${origin}/web-client.js`)};`,
    "",
    `  const client = new ScoringClient({ baseUrl: ${text(origin)}${key} });`,
    '  document.querySelector("input").onchange = async ({ target }) => {',
    `    const answer = await client.${task}(${text(model)}, target.files[0]);`,
    '    document.querySelector("#answer").textContent = JSON.stringify(answer, null, 2);',
    "  };",
    "</script>",
  ].join("\n");
}

function python(call: SnippetCall): string {
  const { origin, file, contentType, needsKey } = call;
  const key = needsKey ? ', "authorization": "Bearer " + os.environ["TENSORGATE_API_KEY"]' : "";
  return [
    ...(needsKey ? ["import os"] : []),
    "import requests",
    "",
    `with open(${text(file)}, "rb") as picture:`,
    "    answer = requests.post(",
    `        ${text(origin + pathOf(call))},`,
    "        data=picture,",
    `        headers={"content-type": ${text(contentType)}${key}},`,
    "    )",
    "answer.raise_for_status()",
    "print(answer.json())",
  ].join("\n");
}

/** Returns a string literal of JavaScript and Python. */
const text = (value: string) => JSON.stringify(value);

function shellWord(value: string): string {
  return /^[\w./:%@-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
