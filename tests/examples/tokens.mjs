// What the page makes of texts and images, for tests in Python: JSON in, JSON out.
import { readFileSync } from "node:fs";
import { Tokenizer, maskOf, networkInput, presenceScore, resized } from "../../examples/browser/runtime.js";

const asked = JSON.parse(readFileSync(0, "utf-8"));
const { size, mean, std } = asked.card.image;
const tokenizer = new Tokenizer(JSON.parse(readFileSync(asked.tokenizer, "utf-8")), asked.card.text);
const inputs = asked.images.map(({ planes, height, width }) =>
  Array.from(networkInput(planes, height, width, size, mean, std)),
);
const { logits, height, width } = asked.answer;
const own = resized(Float32Array.from(logits), size, size, height, width, false);
console.log(
  JSON.stringify({
    tokens: asked.texts.map((text) => tokenizer.encode(text)),
    inputs,
    resized: Array.from(own),
    presence: presenceScore(own, height, width, asked.card.mask.score),
    halves: presenceScore(own.subarray(0, 1500), 30, 50, asked.card.mask.score),
    mask: Array.from(maskOf({ probability: own, presence: 0.5 }, 0.25, 0.4)),
    empty: Array.from(maskOf({ probability: own, presence: 0.5 }, 0.25, 0.6)),
  }),
);
