import { readFile } from "node:fs/promises";

const response = await fetch("http://127.0.0.1:8080/v1/classify/shapes?topK=1", {
  method: "POST",
  headers: { "content-type": "image/jpeg" },
  body: await readFile("star.jpg"),
});
const answer = await response.json();
if (!response.ok) throw new Error(`${answer.reason}: ${answer.detail}`);
console.log(answer.results[0].labels[0].label);
