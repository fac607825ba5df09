// Segment images by text from a folder that `monai-vlsm export` wrote: monai_vlsm/runtime.py in JavaScript.

const PARTS = ["image_encoder", "text_encoder", "decoder"];
const SAMPLES = 1_000_000;
const SPACE = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu;
const WORD = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^ \p{L}\p{N}]+/gu;

// Encodes an image once, and answers many prompts.
export class Runtime {
  // `ort` is onnxruntime-web; `read` takes the name of a file and promises its bytes as an ArrayBuffer.
  static async load(ort, read) {
    const text = async (name) => new TextDecoder().decode(await read(name));
    const card = JSON.parse(await text("card.json"));
    if (card.format !== 1 || card.kind !== "onnx") throw new Error("card.json is not one that this page reads");
    const runtime = new Runtime();
    Object.assign(runtime, { ort, card, embeddings: new Map(), sessions: {} });
    for (const name of PARTS) {
      const bytes = await read(`${name}.onnx`);
      await requireSame(bytes, card.files[`${name}.onnx`].sha256, name);
      runtime.sessions[name] = await ort.InferenceSession.create(new Uint8Array(bytes));
    }
    const bytes = await read("tokenizer.json");
    await requireSame(bytes, card.files["tokenizer.json"].sha256, "tokenizer.json");
    runtime.tokenizer = new Tokenizer(JSON.parse(new TextDecoder().decode(bytes)), card.text);
    return runtime;
  }

  // `planes` are one (gray) or three arrays of height * width numbers, row by row.
  async setImage(planes, height, width) {
    const { size, mean, std } = this.card.image;
    const image = new this.ort.Tensor("float32", networkInput(planes, height, width, size, mean, std), [1, 3, size, size]);
    this.states = (await this.sessions.image_encoder.run({ image })).states;
    Object.assign(this, { height, width });
  }

  // Promises { probability: Float32Array of height * width, presence }.
  async predict(prompt) {
    const { temperature, presence_slope, presence_offset, score } = this.card.mask;
    const size = this.card.image.size;
    const inputs = { states: this.states, text_embedding: await this.embedding(prompt) };
    const { logits } = await this.sessions.decoder.run(inputs);
    const own = resized(logits.data, size, size, this.height, this.width, false);
    const presence = sigmoid(presence_slope * presenceScore(own, this.height, this.width, score) + presence_offset);
    return { probability: own.map((logit) => sigmoid(logit / temperature)), presence };
  }

  async embedding(prompt) {
    if (!this.embeddings.has(prompt)) {
      const ids = this.tokenizer.encode(prompt);
      const input_ids = new this.ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
      this.embeddings.set(prompt, (await this.sessions.text_encoder.run({ input_ids })).text_embedding);
    }
    return this.embeddings.get(prompt);
  }
}

// Where the thing is that a prompt names; nowhere if its presence is too low.
export function maskOf(found, threshold, minPresence) {
  const least = found.presence < minPresence ? Infinity : threshold;
  return Uint8Array.from(found.probability, (value) => (value >= least ? 1 : 0));
}

// The byte pair encoding of CLIP, from a tokenizer.json of the library tokenizers.
export class Tokenizer {
  constructor(document, facts) {
    const { vocab, merges } = document.model;
    this.ids = new Map(Object.entries(vocab));
    this.ranks = new Map(merges.map((pair, rank) => [typeof pair === "string" ? pair : pair.join(" "), rank]));
    this.facts = facts;
    this.letters = byteLetters();
    const escaped = Object.keys(facts.special).map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    this.special = new RegExp(escaped.join("|"), "g");
  }

  encode(text) {
    const ids = [];
    let at = 0;
    for (const found of text.matchAll(this.special)) {
      this.add(text.slice(at, found.index), ids);
      ids.push(this.facts.special[found[0]]);
      at = found.index + found[0].length;
    }
    this.add(text.slice(at), ids);
    return [this.facts.start, ...ids.slice(0, this.facts.max_tokens - 2), this.facts.end];
  }

  add(text, ids) {
    for (const word of words(text)) {
      if (ids.length >= this.facts.max_tokens) return;
      const parts = Array.from(new TextEncoder().encode(word), (byte) => this.letters[byte]);
      parts[parts.length - 1] += "</w>";
      for (const part of this.merged(parts)) ids.push(this.ids.get(part) ?? this.facts.unknown);
    }
  }

  merged(parts) {
    while (parts.length > 1) {
      let best = Infinity;
      let pair = null;
      for (let i = 1; i < parts.length; i++) {
        const rank = this.ranks.get(`${parts[i - 1]} ${parts[i]}`) ?? Infinity;
        if (rank < best) [best, pair] = [rank, [parts[i - 1], parts[i]]];
      }
      if (pair === null) break;
      parts = joined(parts, pair);
    }
    return parts;
  }
}

// Runs of letters, single digits, runs of other signs; all in lower case.
export function words(text) {
  const clean = text.normalize("NFC").replace(SPACE, " ");
  return Array.from(clean, (letter) => letter.toLowerCase()).join("").match(WORD) ?? [];
}

function joined(parts, [first, second]) {
  const result = [];
  let open = false;
  for (const part of parts) {
    if (open && part === second) {
      result[result.length - 1] += part;
      open = false;
    } else {
      result.push(part);
      open = part === first;
    }
  }
  return result;
}

// A printable letter for each byte, as GPT-2 chose them.
function byteLetters() {
  let other = 256;
  const printable = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : other++));
}

// Float32Array of 3 * size * size: resized, then normalized.
export function networkInput(planes, height, width, size, mean, std) {
  const result = new Float32Array(3 * size * size);
  const pictures = displayRange(planes).map((plane) => resized(plane, height, width, size, size, true));
  for (let channel = 0; channel < 3; channel++) {
    const picture = pictures[pictures.length === 1 ? 0 : channel];
    const at = channel * size * size;
    picture.forEach((value, i) => (result[at + i] = (value - mean[channel]) / std[channel]));
  }
  return result;
}

// Numbers as [0, 1]: 8-bit values by 255, others between their percentiles.
export function displayRange(planes) {
  const every = (test) => planes.every((plane) => plane.every(test));
  if (!every(Number.isFinite)) throw new Error("the image holds values that are not finite");
  if (every((value) => value >= 0 && value <= 255 && Number.isInteger(value))) {
    return planes.map((plane) => Float32Array.from(plane, (value) => value / 255));
  }
  const size = planes.length * planes[0].length;
  const step = Math.max(1, Math.floor(size / SAMPLES));
  const sample = new Float32Array(Math.ceil(size / step));
  sample.forEach((_, i) => (sample[i] = planes[Math.floor((i * step) / planes[0].length)][(i * step) % planes[0].length]));
  sample.sort();
  const [low, high] = [0.005, 0.995].map((share) => quantile(sample, share));
  const scale = Math.max(high - low, 1e-8);
  return planes.map((plane) => Float32Array.from(plane, (value) => Math.min(1, Math.max(0, (value - low) / scale))));
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}

// Bilinear, as PyTorch resizes.
export function resized(image, height, width, newHeight, newWidth, antialias) {
  const narrowed = new Float32Array(height * newWidth);
  weights(width, newWidth, antialias).forEach(({ start, shares }, column) => {
    for (let row = 0; row < height; row++) {
      let sum = 0;
      for (let i = 0; i < shares.length; i++) sum += shares[i] * image[row * width + start + i];
      narrowed[row * newWidth + column] = sum;
    }
  });
  const result = new Float32Array(newHeight * newWidth);
  weights(height, newHeight, antialias).forEach(({ start, shares }, row) => {
    for (let column = 0; column < newWidth; column++) {
      let sum = 0;
      for (let i = 0; i < shares.length; i++) sum += shares[i] * narrowed[(start + i) * newWidth + column];
      result[row * newWidth + column] = sum;
    }
  });
  return result;
}

// For each new pixel the first old one that goes into it, and how much of it and of those behind it.
function weights(length, wanted, antialias) {
  const scale = length / wanted;
  const reach = antialias ? Math.max(scale, 1) : 1;
  return Array.from({ length: wanted }, (_, i) => {
    let center = (i + 0.5) * scale;
    if (!antialias) center = Math.min(Math.max(center, 0.5), length - 0.5);
    const start = Math.max(0, Math.floor(center - reach));
    const end = Math.min(length, Math.ceil(center + reach));
    const shares = [];
    for (let j = start; j < end; j++) shares.push(Math.max(0, 1 - Math.abs(j + 0.5 - center) / reach));
    const sum = shares.reduce((total, share) => total + share, 0);
    return { start, shares: shares.map((share) => share / sum) };
  });
}

// The mean of the highest logits.
export function presenceScore(logits, height, width, { share, most }) {
  const [rows, columns] = [height, width].map((length) => Math.max(1, Math.floor(length / most)));
  const pixels = [];
  for (let row = 0; row < height; row += rows) {
    for (let column = 0; column < width; column += columns) pixels.push(logits[row * width + column]);
  }
  const highest = Float32Array.from(pixels).sort().subarray(-Math.max(1, roundedToEven(share * pixels.length)));
  return highest.reduce((total, value) => total + value, 0) / highest.length;
}

// As Python rounds: halves to the even neighbor.
function roundedToEven(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

function sigmoid(logit) {
  return 1 / (1 + Math.exp(-logit));
}

// Browsers compute checksums only for pages from https or this machine.
async function requireSame(bytes, expected, name) {
  if (!globalThis.crypto?.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== expected) throw new Error(`${name} is not the file that the card names: copy the export again`);
}
