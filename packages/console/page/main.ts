import "./page.css";
import { type PictureInput, ScoringError } from "@tensorgate/web-client";
import { showAnswer, showFailure } from "./answer/answer-view.ts";
import { showBoxes } from "./answer/boxes-view.ts";
import { createCallView } from "./call/call-view.ts";
import { element } from "./elements.ts";
import { askForKey, client, keyHeaders, type PageModel, score } from "./gateway.ts";
import { createLatestOnly } from "./latest-only.ts";
import { type ModelPicker, modelPicker } from "./model-picker.ts";
import { createCameraSource } from "./picture/camera-source.ts";
import { drawingSource } from "./picture/drawing-source.ts";
import { fileSource } from "./picture/file-source.ts";
import { createRegionsView } from "./regions/regions-view.ts";
import { steadyCalls } from "./regions/steady-calls.ts";
import { watchStatus } from "./regions/watch-status.ts";
import { tabs } from "./tabs.ts";

/** The picture that was chosen last. */
let picture: PictureInput = element<HTMLCanvasElement>("canvas");
/** An empty canvas is scored by "Keep calling" only. */
let hasPicture = false;
let fileName = "picture.jpg";
let picker: ModelPicker | undefined;

const drawnBoxes = element<SVGElement>("drawn-boxes");
const fileBoxes = element<SVGElement>("boxes");
const call = createCallView();

const show = createLatestOnly(
  async ({ shown, model }: { shown: PictureInput; model: PageModel }) => {
    const startMs = performance.now();
    const overlay = shown instanceof Blob ? fileBoxes : drawnBoxes;
    try {
      const answer = await score(model, shown);
      // The response to an older picture must not be shown over a newer one.
      if (shown === picture) showAnswer(answer, overlay, performance.now() - startMs);
    } catch (thrown) {
      if (shown === picture) showFailure(thrown, overlay);
    }
  },
);

function scorePicture(): void {
  const model = picker?.chosen();
  if (model) show({ shown: picture, model });
}

function showCall(): void {
  const model = picker?.chosen();
  if (!model) return;
  call.show({
    origin: location.origin,
    task: model.pageTask,
    model: model.name,
    file: fileName,
    contentType: picture instanceof Blob && picture.type ? picture.type : "image/jpeg",
    needsKey: keyHeaders()["authorization"] !== undefined,
  });
}

fileSource((file) => {
  picture = file;
  hasPicture = true;
  fileName = file.name || "picture.png";
  showBoxes(fileBoxes, undefined);
  showCall();
  scorePicture();
});
drawingSource({
  onStroke: (canvas) => {
    picture = canvas;
    hasPicture = true;
    scorePicture();
  },
  onClear: () => {
    hasPicture = hasPicture && picture instanceof Blob;
    showBoxes(drawnBoxes, undefined);
  },
});
const camera = createCameraSource({
  onError: (thrown) => showFailure(thrown),
  watch: async (video, signal) => {
    const model = picker?.chosen();
    if (!model) return;
    let beforeMs = performance.now();
    const frames = client.stream(model.name, video, { task: model.pageTask, fps: 10, signal });
    // Screen readers read the response when the camera stops, not ten times per second.
    element("answer").ariaBusy = "true";
    try {
      for await (const frame of frames) {
        const nowMs = performance.now();
        if (frame.ok)
          showAnswer(frame.value, element<SVGElement>("live-boxes"), nowMs - frame.takenMs);
        else showFailure(frame.error);
        element("frame-rate").textContent =
          `${(1_000 / (nowMs - beforeMs)).toFixed(1)} frames per second`;
        beforeMs = nowMs;
      }
    } finally {
      element("answer").ariaBusy = "false";
    }
  },
});
const sources = document.querySelector(".tabs");
if (sources) {
  tabs(sources, ({ id }) => {
    if (id !== "camera-tab") camera.stop();
  });
}
steadyCalls(() => {
  const model = picker?.chosen();
  return model && score(model, picture);
});

async function start(): Promise<void> {
  try {
    picker = await modelPicker(() => {
      camera.stop();
      showCall();
      if (hasPicture) scorePicture();
    });
    element("key-form").hidden = true;
    showCall();
  } catch (thrown) {
    showFailure(thrown);
    if (ScoringError.is(thrown) && thrown.reason === "unauthenticated")
      askForKey(() => void start());
  }
}

void start();
const regions = createRegionsView();
void watchStatus(regions.show);
