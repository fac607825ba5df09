// What the page says after a model that is not there, and after each click: in a document that has elements of any name.
import { pathToFileURL } from "node:url";

const elements = {};
const listeners = {};
const made = () => ({ value: "", replaceChildren() {}, classList: { add() {}, remove() {} } });
globalThis.document = { getElementById: (id) => (elements[id] ??= made()) };
globalThis.addEventListener = (name, listener) => (listeners[name] = listener);
globalThis.location = { search: "" };
globalThis.fetch = async () => ({ ok: false });

const event = { preventDefault() {}, target: { files: [new Blob()] }, dataTransfer: { files: [new Blob()] } };
const say = async () => {
  await new Promise((resolve) => setTimeout(resolve, 10));
  console.log(elements.status.textContent);
};

await import(`${pathToFileURL(process.argv[2])}/app.js`);
await say();
for (const click of [elements.form.onsubmit, elements.file.onchange, listeners.drop]) {
  elements.threshold.oninput();
  click(event);
  await say();
}
