/** A service that was deployed, as its callers reach it. */
export interface CalledService {
  /** Without a path. */
  readonly url: string;
  readonly model: string;
  /** Task of the REST API. */
  readonly task: "classify" | "detect" | "embed";
  /** File with the key; undefined if none is needed. */
  readonly keyFile: string | undefined;
}

/**
 * Returns commands of a shell that score `picture.jpg`: by curl, by Node and by Python, none of which needs a package, and by
 * this command.
 */
export function callingLines({ url, model, task, keyFile }: CalledService): readonly string[] {
  const address = `${url}/v1/${task}/${model}`;
  const type = "image/jpeg";
  const hasKey = keyFile !== undefined;
  const curlKey = hasKey ? ` -H "authorization: Bearer $(cat ${keyFile})"` : "";
  const nodeKey = hasKey
    ? `, authorization: "Bearer " + fs.readFileSync("${keyFile}", "utf8").trim()`
    : "";
  const pythonKey = hasKey
    ? `, "authorization": "Bearer " + open("${keyFile}").read().strip()`
    : "";
  return [
    `curl --data-binary @picture.jpg -H 'content-type: ${type}'${curlKey} ${address}`,
    `node -e 'fetch("${address}", { method: "POST", headers: { "content-type": "${type}"${nodeKey} }, body: fs.readFileSync("picture.jpg") }).then((reply) => reply.text()).then(console.log)'`,
    `python3 -c 'import urllib.request as u; print(u.urlopen(u.Request("${address}", open("picture.jpg", "rb").read(), {"content-type": "${type}"${pythonKey}})).read().decode())'`,
    `tensorgate score picture.jpg --model ${model} --url ${url}${hasKey ? ` --key "$(cat ${keyFile})"` : ""}`,
  ];
}
