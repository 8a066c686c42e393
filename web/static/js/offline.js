// The page without a connection: what this device has looked up, and what waits on it to be sent. Both are the device's alone.
import { announce } from "./dom.js";

const box = document.querySelector("[data-offline]");
const part = (name) => box.querySelector(`[data-offline-${name}]`);
const said = { "not-sent": "You have no connection, so this was not sent. Go back: what you typed is still there." };

function row(title, fine, link, button) {
  const item = document.createElement("li");
  const main = document.createElement(link ? "a" : "div");
  if (link) main.href = link;
  main.className = "row-main";
  const words = document.createElement("span");
  words.textContent = title;
  const small = document.createElement("span");
  small.className = "fine";
  small.textContent = fine;
  main.append(words, small);
  item.append(main);
  if (button) item.append(button);
  return item;
}

function read(name) {
  return new Promise((done, failed) => {
    const opening = indexedDB.open("backstock", 1);
    // Whoever comes first makes both, as the worker does.
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("waiting", { keyPath: "key" });
      opening.result.createObjectStore("known", { keyPath: "name" });
    };
    opening.onerror = () => failed(opening.error);
    opening.onsuccess = () => {
      const asked = opening.result.transaction(name).objectStore(name).getAll();
      asked.onsuccess = () => { opening.result.close(); done(asked.result); };
      asked.onerror = () => failed(asked.error);
    };
  });
}

const STEPS = [
  [/^\/requests\/new/, (f) => `Order back: ${f.get("quantity") ?? ""} of a part`],
  [/\/accept$/, () => "Commit to an order back"],
  [/\/receive$/, () => "Say that units have arrived"],
  [/\/acknowledge$/, () => "Say that an order was seen"],
  [/^\/holdings\//, () => "Record what became of units"],
];

function named(one) {
  const [, words] = STEPS.find(([path]) => path.test(one.path)) ?? [null, () => one.path];
  return words(new URLSearchParams(one.body));
}

async function show() {
  const [{ value: person } = {}] = (await read("known")).filter((k) => k.name === "person");
  const queue = (await read("waiting")).filter((one) => one.person === person).sort((a, b) => a.at - b.at);
  part("waiting").replaceChildren(...queue.map((one) => {
    const at = new Date(one.at).toLocaleString();
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "btn btn-sm";
    drop.textContent = one.state === "waiting" ? "Do not send" : "Put away";
    drop.addEventListener("click", () => tell({ kind: "drop", key: one.key }));
    const state = { waiting: `Confirmed ${at}; waits for a connection`, done: `Sent. Confirmed ${at}`, refused: `Not accepted: ${one.words}` }[one.state];
    return row(named(one), state, one.link, drop);
  }));
  part("none").hidden = queue.length > 0;
  part("send").hidden = !queue.some((one) => one.state === "waiting");
  const cache = person && await caches.has(`pages-${person}`) ? await caches.open(`pages-${person}`) : null;
  const pages = cache ? await cache.keys() : [];
  const rows = [];
  for (const request of pages.reverse()) {
    const kept = await cache.match(request);
    const title = /<title>([^<]*)<\/title>/.exec(await kept.text())?.[1] ?? request.url;
    const words = new DOMParser().parseFromString(title, "text/html").documentElement.textContent.replace(" · Backstock", "").trim();
    rows.push(row(words, `As it was on ${new Date(Number(kept.headers.get("x-backstock-seen"))).toLocaleString()}`, new URL(request.url).pathname + new URL(request.url).search));
  }
  part("pages").replaceChildren(...rows);
  part("empty").hidden = rows.length > 0;
}

async function tell(message) {
  const worker = (await navigator.serviceWorker?.ready)?.active;
  worker?.postMessage(message);
}

const words = new URLSearchParams(location.search).has("kept")
  ? "Kept on this device. It is sent, once, as soon as there is a connection." : said[box.dataset.why];
if (words) {
  part("said").querySelector("p").textContent = words;
  part("said").hidden = false;
}
part("send").addEventListener("click", () => { announce("Sending…"); tell({ kind: "send" }); });
navigator.serviceWorker?.addEventListener("message", show);
window.addEventListener("online", () => tell({ kind: "send" }));
await show();
