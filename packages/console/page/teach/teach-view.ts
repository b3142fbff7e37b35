import { type Head, headLogits } from "@tensorgate/teaching";
import { labelList } from "../answer/result-view.ts";
import { createHtml, element } from "../elements.ts";
import { client } from "../gateway.ts";
import { createLatestOnly } from "../latest-only.ts";
import { createCameraSource } from "../picture/camera-source.ts";
import { drawingSource } from "../picture/drawing-source.ts";
import { countedPictures, showClassCards } from "./class-cards.ts";
import { droppedPictures } from "./dropped-pictures.ts";
import { reportView } from "./report-view.ts";
import { createTeachClasses, maxPictures, type TeachClass } from "./teach-classes.ts";
import { leftOutText, train } from "./train.ts";

/** Frames that one press of the button takes, and the time between them, in milliseconds. */
const frameCount = 10;
const frameIntervalMs = 120;

/** Teaches classes of the user's own on the features of a model, and tries them out. */
export async function createTeachView(): Promise<{ stop(): void }> {
  const models = element<HTMLSelectElement>("teach-model");
  const canvas = element<HTMLCanvasElement>("teach-canvas");
  const video = element<HTMLVideoElement>("teach-video");
  const status = element("teach-status");
  const trainButton = element<HTMLButtonElement>("teach-train");
  let head: Head | undefined;
  let isDrawn = false;
  let isTraining = false;

  const classes = createTeachClasses(show);
  const actions = {
    addDrawing: (to: TeachClass) => {
      if (!isDrawn) return fail(new Error("Draw something first."));
      void blobOf(canvas).then((blob) => {
        classes.add(to, [blob]);
        element("teach-clear").click();
      });
    },
    addFrames: (to: TeachClass) => void frames(to),
    addFiles: (to: TeachClass, files: readonly File[]) => {
      if (files.length === 0) return fail(new Error("There is no picture among these files."));
      const left = classes.add(to, files);
      if (left > 0) {
        fail(new Error(`The page holds ${maxPictures} pictures; ${left} were left out.`));
      } else status.textContent = `${countedPictures(files.length)} added to ${to.name}.`;
    },
    fail,
  };
  function show(): void {
    showClassCards(classes, actions);
  }

  const tryOut = createLatestOnly(async (picture: Blob) => {
    if (!head) return;
    try {
      const features = await client.embed(models.value, picture);
      const { classes: names } = head;
      const logits = headLogits(head, Float32Array.from(features));
      const most = Math.max(...logits);
      const powers = logits.map((logit) => Math.exp(logit - most));
      const sum = powers.reduce((total, power) => total + power, 0);
      const labels = [...powers]
        .map((power, index) => ({ index, label: names[index] ?? "", score: power / sum }))
        .toSorted((a, b) => b.score - a.score);
      element("teach-answer").replaceChildren(...labelList(labels, false).elements);
    } catch (thrown) {
      fail(thrown);
    }
  });

  drawingSource({
    canvas,
    pen: element<HTMLInputElement>("teach-pen"),
    clear: element("teach-clear"),
    onStroke: () => {
      isDrawn = true;
      if (head) void blobOf(canvas).then(tryOut);
    },
    onClear: () => {
      isDrawn = false;
    },
  });
  const camera = createCameraSource({
    video,
    button: element<HTMLButtonElement>("teach-camera"),
    onError: fail,
    watch: async (_video, signal) => {
      while (!signal.aborted) {
        if (head) tryOut(await frameOf(video));
        await paused(frameIntervalMs);
      }
    },
  });
  element<HTMLInputElement>("teach-try-file").onchange = ({ currentTarget }) => {
    const [file] = (currentTarget as HTMLInputElement).files ?? [];
    if (file) tryOut(file);
  };

  async function frames(to: TeachClass): Promise<void> {
    if (!video.srcObject) return fail(new Error("Start the camera first."));
    for (let count = 0; count < frameCount && video.srcObject; count += 1) {
      classes.add(to, [await frameOf(video)]);
      await paused(frameIntervalMs);
    }
  }

  const panel = element("teach-panel");
  panel.addEventListener("dragover", (event) => event.preventDefault());
  panel.addEventListener("drop", (event) => {
    event.preventDefault();
    void droppedPictures(event).then((found) => {
      if (found.length === 0) throw new Error("There is no picture among these files.");
      const loose = `class ${classes.all.length + 1}`;
      for (const [name, files] of Map.groupBy(found, ({ folder }) => folder ?? loose)) {
        actions.addFiles(
          classes.named(name),
          files.map(({ file }) => file),
        );
      }
    }, fail);
  });
  element("teach-add-class").onclick = () => {
    let number = classes.all.length + 1;
    while (classes.all.some(({ name }) => name === `class ${number}`)) number += 1;
    classes.named(`class ${number}`);
  };
  models.onchange = () => {
    head = undefined;
    classes.forgetFeatures();
    element("teach-report").replaceChildren();
  };
  trainButton.onclick = () => void run();

  async function run(): Promise<void> {
    if (isTraining) return;
    isTraining = true;
    trainButton.setAttribute("aria-disabled", "true");
    // Features of two models must not meet in one head.
    models.disabled = true;
    try {
      const trained = await train(classes.all, {
        model: models.value,
        onProgress: (done, total) => {
          status.textContent = `Features of ${done} of ${total} pictures`;
        },
      });
      head = trained.head;
      status.textContent = `Trained. Draw, show or choose something to try it.${leftOutText(trained.leftOut)}`;
      element("teach-report").replaceChildren(...reportView(trained));
    } catch (thrown) {
      fail(thrown);
    }
    isTraining = false;
    trainButton.removeAttribute("aria-disabled");
    models.disabled = false;
  }

  function fail(thrown: unknown): void {
    const { message = String(thrown), hint } = thrown as { message?: string; hint?: string };
    status.replaceChildren(
      createHtml("span", { class: "error" }, hint ? `${message}. ${hint}` : message),
    );
  }

  classes.named("class 1");
  classes.named("class 2");
  const found = (await client.models.list()).filter(({ tasks }) => tasks.includes("embed"));
  models.replaceChildren(...found.map(({ name }) => new Option(name, name)));
  const best = found.find(({ weights }) => weights !== "seeded");
  if (best) models.value = best.name;
  if (found.length === 0) fail(new Error("No model of this gateway returns features."));
  return { stop: camera.stop };
}

function paused(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

function frameOf(video: HTMLVideoElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  return blobOf(canvas, "image/jpeg");
}

function blobOf(canvas: HTMLCanvasElement, type = "image/png"): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("there is no picture"))),
      type,
    );
  });
}
