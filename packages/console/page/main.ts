import "./page.css";
import "./parts.css";
import { ScoringError } from "@tensorgate/web-client";
import { readAddress, writeAddress } from "./address.ts";
import { showAnswer, showFailure } from "./answer/answer-view.ts";
import { showBoxes } from "./answer/boxes-view.ts";
import { createCallView } from "./call/call-view.ts";
import { createCallLog } from "./calls/call-log.ts";
import { element } from "./elements.ts";
import { client, keyHeaders, optionsOf, predict, recorder, score } from "./gateway.ts";
import { askForKey } from "./key-form.ts";
import { type ModelPicker, modelPicker } from "./model-picker.ts";
import { createCameraSource } from "./picture/camera-source.ts";
import { drawingSource } from "./picture/drawing-source.ts";
import { fileSource } from "./picture/file-source.ts";
import { type PagePicture, pictureOf, release } from "./picture/page-picture.ts";
import { createPreview } from "./picture/preview.ts";
import { createSampleSource, type SampleSource } from "./picture/sample-source.ts";
import { tensorSource } from "./picture/tensor-source.ts";
import { createRegionCharts } from "./regions/region-charts.ts";
import { createRegionsView } from "./regions/regions-view.ts";
import { steadyCalls } from "./regions/steady-calls.ts";
import { createScorer } from "./scorer.ts";
import { createSettingsView } from "./settings/settings-view.ts";
import { tabs } from "./tabs.ts";

const drawing: PagePicture = {
  name: "drawing.png",
  input: element<HTMLCanvasElement>("canvas"),
  url: undefined,
};
/** The pictures that were chosen last, and the one that is shown. An empty canvas is scored by "Keep calling" only. */
let pictures: readonly PagePicture[] = [];
let selected = drawing;
/** Whether the answer to what was chosen is still to come. */
let isNew = false;
/** Path of the sample that is shown, at the gateway. */
let samplePath: string | undefined;
let picker: ModelPicker | undefined;
let samples: SampleSource | undefined;

const drawnBoxes = element<SVGElement>("drawn-boxes");
const fileBoxes = element<SVGElement>("boxes");
const overlayOf = (picture: PagePicture) => (picture === drawing ? drawnBoxes : fileBoxes);
const call = createCallView();
const tensors = tensorSource((body) => void runTensors(body));
const settings = createSettingsView(() => {
  showCall();
  scoreAll();
});
const preview = createPreview(select);
const scorer = createScorer((picture) => {
  preview.refresh();
  if (picture !== selected) return;
  showOutcome();
  // On a phone the answer to a picture that was just chosen is below the fold.
  if (isNew)
    void preview.laidOut().then(() => element("answer").scrollIntoView({ block: "nearest" }));
  isNew = false;
});

function showOutcome(): void {
  const { outcome } = selected;
  if (!outcome) return;
  if (outcome.ok) showAnswer(outcome.answer, overlayOf(selected), outcome.elapsedMs);
  else showFailure(outcome.error, overlayOf(selected));
}

function scoreAll(): void {
  const model = picker?.chosen();
  if (!model || pictures.length === 0) return;
  scorer.score({ model, settings: settings.current() }, [
    selected,
    ...pictures.filter((picture) => picture !== selected),
  ]);
}

function select(picture: PagePicture): void {
  selected = picture;
  showBoxes(fileBoxes, undefined);
  preview.show(pictures, picture);
  showCall();
  showOutcome();
}

function take(files: readonly File[]): void {
  release(pictures);
  pictures = files.map(pictureOf);
  const [first] = pictures;
  if (!first) return;
  element("file-tab").click();
  select(first);
  isNew = true;
  scoreAll();
}

function showCall(): void {
  const model = picker?.chosen();
  if (!model) return;
  const { input, name } = selected;
  call.show({
    origin: location.origin,
    task: model.pageTask,
    model: model.name,
    file: selected === drawing ? "picture.jpg" : name,
    sample: samplePath,
    contentType: input instanceof Blob && input.type ? input.type : "image/jpeg",
    needsKey: keyHeaders()["authorization"] !== undefined,
    options: { ...optionsOf(model.pageTask, settings.current()) },
  });
}

/** Shows what belongs to the chosen model and task. */
function showModel(): void {
  const model = picker?.chosen();
  const takesTensors = model?.input.kind === "tensors";
  element("picture-part").hidden = takesTensors;
  element("tensors-part").hidden = !takesTensors;
  settings.show(model?.pageTask);
  samples?.show(model);
  tensors.show(takesTensors ? model : undefined);
  showCall();
}

async function runTensors(body: string): Promise<void> {
  const model = picker?.chosen();
  if (!model) return;
  const startMs = performance.now();
  try {
    showAnswer(await predict(model.name, body), fileBoxes, performance.now() - startMs);
    element("raw-tab").click();
  } catch (thrown) {
    showFailure(thrown);
  }
}

fileSource((files) => {
  samplePath = undefined;
  samples?.clear();
  writeAddress({ sample: undefined });
  take(files);
});
drawingSource({
  canvas: element<HTMLCanvasElement>("canvas"),
  pen: element<HTMLInputElement>("pen"),
  clear: element("clear"),
  onStroke: () => {
    selected = drawing;
    pictures = [drawing];
    samplePath = undefined;
    scoreAll();
  },
  onClear: () => {
    if (selected === drawing) pictures = [];
    showBoxes(drawnBoxes, undefined);
  },
});
const camera = createCameraSource({
  video: element<HTMLVideoElement>("video"),
  button: element<HTMLButtonElement>("camera"),
  onError: (thrown) => showFailure(thrown),
  watch: async (video, signal) => {
    const model = picker?.chosen();
    if (!model) return;
    const task = model.pageTask === "detect" ? "detect" : "classify";
    let beforeMs = performance.now();
    const frames = client.stream(model.name, video, { task, fps: 10, signal });
    // Screen readers read the response when the camera stops, not ten times per second.
    element("answer").ariaBusy = "true";
    try {
      for await (const frame of frames) {
        const nowMs = performance.now();
        if (frame.ok) {
          const answer =
            "boxes" in frame.value
              ? { task: "detect" as const, found: frame.value }
              : { task: "classify" as const, labels: frame.value };
          showAnswer(answer, element<SVGElement>("live-boxes"), nowMs - frame.takenMs);
        } else showFailure(frame.error);
        element("frame-rate").textContent =
          `${(1_000 / (nowMs - beforeMs)).toFixed(1)} frames per second`;
        beforeMs = nowMs;
      }
    } finally {
      element("answer").ariaBusy = "false";
    }
  },
});
const sources = document.querySelector("[aria-controls=file-panel]")?.parentElement;
if (sources) {
  tabs(sources, ({ id }) => {
    if (id !== "camera-tab") camera.stop();
  });
}
tabs(element("answer-forms"), () => {});
let teaching: Promise<{ stop(): void }> | undefined;
tabs(element("views"), ({ id }) => {
  if (id === "teach-view-tab") {
    camera.stop();
    // What it needs is loaded when it is looked at.
    teaching ??= import("./teach/teach-view.ts").then(({ createTeachView }) => createTeachView());
    teaching.catch(() => {
      teaching = undefined;
      element("teach-status").textContent =
        "The models cannot be listed. Choose the tab again to retry.";
    });
  } else void teaching?.then(({ stop }) => stop());
});
steadyCalls(() => {
  const model = picker?.chosen();
  return model && score(model, selected.input, settings.current());
});
createCallLog(recorder);

async function start(): Promise<void> {
  try {
    picker = await modelPicker(() => {
      camera.stop();
      showModel();
      scoreAll();
    });
    element("key-form").hidden = true;
    samples ??= await createSampleSource((file, name, path) => {
      samplePath = path;
      writeAddress({ sample: name });
      take([file]);
    });
    showModel();
    const { sample } = readAddress();
    if (sample !== undefined) await samples.take(sample);
  } catch (thrown) {
    showFailure(thrown);
    if (ScoringError.is(thrown) && thrown.reason === "unauthenticated")
      askForKey(() => void start());
  }
}

void start();
const regions = createRegionsView();
const charts = createRegionCharts(recorder);
// Half of the script is for streams, which no picture waits for.
void import("./regions/watch-status.ts").then(({ watchStatus }) =>
  watchStatus((status) => {
    regions.show(status);
    charts.show(status);
    const pools = status?.regions.flatMap((region) => region.pools) ?? [];
    void picker?.follow(new Set(pools.map(({ model }) => model)));
  }),
);
