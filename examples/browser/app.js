// The page: pick or drop an image, type prompts, see and keep the masks.
import * as ort from "./ort.wasm.min.mjs";
import { Runtime, maskOf } from "./runtime.js";

const element = (id) => document.getElementById(id);
// More threads than one need headers that a plain file server does not send.
ort.env.wasm.numThreads = 1;

let runtime = null;
let whyNot = "the model is not loaded yet";
let picture = null;
let answers = [];

async function read(name) {
  const answer = await fetch(`model/${name}`);
  if (!answer.ok) throw new Error(`model/${name} is not beside this page`);
  return answer.arrayBuffer();
}

function requireModel() {
  if (!runtime) throw new Error(whyNot);
}

// Pixels as they are in the file, turned as it says, without the colors of a screen.
async function open(blob) {
  requireModel();
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(blob, options);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const planes = [0, 1, 2].map((channel) => {
    const plane = new Uint8Array(bitmap.width * bitmap.height);
    for (let i = 0; i < plane.length; i++) plane[i] = pixels.data[4 * i + channel];
    return plane;
  });
  const start = performance.now();
  await runtime.setImage(planes, bitmap.height, bitmap.width);
  picture = { bitmap, seconds: (performance.now() - start) / 1000 };
  answers = []; // those of another image do not fit this one
  draw();
}

async function segment() {
  requireModel();
  if (!picture) return say("Pick an image first.");
  const prompts = element("prompts").value.split("\n").map((line) => line.trim()).filter(Boolean);
  const start = performance.now();
  const found = [];
  for (const prompt of prompts.length ? prompts : [runtime.card.text.prompt]) {
    found.push({ prompt, found: await runtime.predict(prompt) });
  }
  answers = found;
  globalThis.answers = answers; // for the console
  const seconds = (performance.now() - start) / 1000;
  draw();
  say(`Image encoded in ${picture.seconds.toFixed(2)} s, ${answers.length} prompts answered in ${seconds.toFixed(2)} s.`);
}

function draw() {
  const threshold = Number(element("threshold").value);
  element("shown").textContent = threshold.toFixed(2);
  element("results").replaceChildren(...answers.map((answer) => figure(answer, threshold)));
}

function figure({ prompt, found }, threshold) {
  const { width, height } = picture.bitmap;
  const mask = maskOf(found, threshold, runtime.card.mask.min_presence);
  const overlay = new ImageData(width, height);
  mask.forEach((inside, i) => inside && overlay.data.set([255, 60, 0, 110], 4 * i));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d").putImageData(overlay, 0, 0);
  canvas.getContext("2d").drawImage(picture.bitmap, 0, 0);
  canvas.getContext("2d").drawImage(layer, 0, 0);
  const pixels = mask.reduce((sum, inside) => sum + inside, 0);
  const told = `${prompt}: ${pixels} pixels, presence ${found.presence.toFixed(3)} `;
  const keep = Object.assign(document.createElement("button"), { textContent: "Keep mask" });
  keep.onclick = () => download(mask, width, height, prompt);
  const caption = document.createElement("figcaption");
  caption.append(told, keep);
  const result = document.createElement("figure");
  result.append(canvas, caption);
  return result;
}

async function download(mask, width, height, prompt) {
  const values = new ImageData(width, height);
  mask.forEach((inside, i) => values.data.set(inside ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * i));
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(values, 0, 0);
  const url = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
  const name = `mask ${prompt.replace(/[^\p{L}\p{N}]+/gu, " ").trim().slice(0, 60)}.png`;
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}

const say = (text) => (element("status").textContent = text);

// Runs one thing after the other, and shows what went wrong.
let last = Promise.resolve();
const next = (action) => (last = last.then(action).catch((error) => say(`Error: ${error.message}`)));

const take = (file) => file && next(async () => {
  say("Encoding the image ...");
  await open(file);
  await segment();
});

next(async () => {
  runtime = await Runtime.load(ort, read).catch((error) => {
    whyNot = error.message;
    throw error;
  });
  element("prompts").value ||= runtime.card.text.prompt;
  element("threshold").value = runtime.card.mask.threshold;
  draw();
  say("Pick an image, or drop one.");
  // ?image=FILE&prompt=TEXT&prompt=TEXT shows an image that lies beside the page.
  const asked = new URLSearchParams(location.search);
  if (asked.has("prompt")) element("prompts").value = asked.getAll("prompt").join("\n");
  if (asked.has("image")) {
    await open(await (await fetch(asked.get("image"))).blob());
    await segment();
  }
});
element("file").onchange = (event) => take(event.target.files[0]);
element("threshold").oninput = draw;
element("form").onsubmit = (event) => {
  event.preventDefault();
  next(segment);
};
addEventListener("dragover", (event) => {
  event.preventDefault();
  element("results").classList.add("over");
});
addEventListener("dragleave", () => element("results").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  element("results").classList.remove("over");
  take(event.dataTransfer.files[0]);
});
