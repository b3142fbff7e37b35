const element = (id) => document.getElementById(id);
const model = element("model");
const drop = element("drop");
const answer = element("answer");
const preview = element("preview");
const boxes = element("boxes");

/** What the page shows, first what it would rather ask for. */
const tasks = ["detect", "classify"];

/** Models of the catalog by name. */
const models = new Map();
let picture;
let latest = 0;

function text(tag, content, className) {
  const made = document.createElement(tag);
  made.textContent = content;
  if (className) made.className = className;
  return made;
}

async function loadModels() {
  const response = await fetch("/v1/catalog");
  const catalog = await response.json();
  for (const each of catalog.models) {
    const task = tasks.find((name) => each.tasks.includes(name));
    if (!task) continue;
    models.set(each.name, { ...each, task });
    model.append(new Option(`${each.name} (${task})`, each.name));
  }
  // A model that was trained before one whose answers mean nothing.
  const trained = [...models.values()].filter(({ weights }) => weights !== "seeded");
  const first = trained.find(({ task }) => task === "classify") ?? trained[0];
  if (first) model.value = first.name;
  showModel();
}

function pathOf(name) {
  return `/v1/${models.get(name)?.task ?? "classify"}/${encodeURIComponent(name)}`;
}

function contentTypeOf({ type }) {
  return type.startsWith("image/") ? type : "application/octet-stream";
}

function showModel() {
  element("banner").hidden = models.get(model.value)?.weights !== "seeded";
  element("call").textContent = [
    `curl --data-binary @${picture?.name || "picture.jpg"}`,
    `-H 'content-type: ${picture?.type || "image/jpeg"}'`,
    `${location.origin}${pathOf(model.value)}`,
  ].join(" ");
}

async function score() {
  showModel();
  if (!picture || !model.value) return;
  latest += 1;
  const mine = latest;
  const startMs = performance.now();
  try {
    const response = await fetch(pathOf(model.value), {
      method: "POST",
      // What is no picture goes as bytes, so that the gateway says that it is none.
      headers: { "content-type": contentTypeOf(picture) },
      body: picture,
    });
    const body = await response.json();
    // An answer to an older picture must not replace that to a newer one.
    if (mine !== latest) return;
    if (response.ok) showResult(body.results[0]);
    else showError([body.detail, body.hint].filter(Boolean).join(" — "));
    showFacts(response, performance.now() - startMs);
  } catch {
    if (mine === latest) showError("The gateway does not answer.");
  }
}

function showResult({ labels, boxes: found = [], image }) {
  showLabels(labels ?? found);
  if (!labels && found.length === 0) answer.replaceChildren(text("p", "Nothing found.", "hint"));
  showBoxes(found, image);
}

/** Over the picture, in its own pixels. */
function showBoxes(found, image) {
  if (image) boxes.setAttribute("viewBox", `0 0 ${image.width} ${image.height}`);
  boxes.replaceChildren(
    ...found.flatMap(({ label, box }) => {
      const letter = image.height / 20;
      const caption = drawn("text", {
        x: box.x + letter / 4,
        y: Math.max(letter, box.y + letter),
        "font-size": letter,
      });
      caption.textContent = label;
      return [drawn("rect", box), caption];
    }),
  );
}

function drawn(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function showLabels(labels) {
  const list = document.createElement("ol");
  for (const { label, score: share } of labels) {
    const item = document.createElement("li");
    const bar = document.createElement("progress");
    bar.value = share;
    bar.setAttribute("aria-hidden", "true");
    item.append(bar, text("span", label), text("span", `${(share * 100).toFixed(1)} %`));
    list.append(item);
  }
  answer.replaceChildren(list);
}

function showError(message) {
  boxes.replaceChildren();
  answer.replaceChildren(text("p", message, "error"));
  element("facts").textContent = "";
}

function showFacts(response, durationMs) {
  const region = response.headers.get("x-tensorgate-region");
  const stages = (response.headers.get("server-timing") ?? "")
    .split(", ")
    .map((entry) => entry.replace(/;desc=(\w+)/, " ($1)").replace(";dur=", " "))
    .map((entry) => `${entry} ms`);
  element("facts").textContent = [
    ...(region ? [`scored in ${region}`] : []),
    `${durationMs.toFixed(0)} ms in all`,
    ...stages,
  ].join(" · ");
}

function take(file) {
  if (!file) return;
  picture = file;
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.alt = `The picture to score: ${file.name || "pasted"}`;
  boxes.replaceChildren();
  element("seen").hidden = false;
  element("drop-text").textContent = file.name || "A pasted picture";
  void score();
}

model.addEventListener("change", score);
element("file").addEventListener("change", ({ target }) => take(target.files[0]));
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
document.addEventListener("paste", ({ clipboardData }) => take(clipboardData.files[0]));
loadModels().catch(() => showError("The catalog cannot be read."));
