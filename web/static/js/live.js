// What changes elsewhere, shown here as it does: counters, lists, the order that is looked at. The server says only that something
// changed; the page asks for what it may see, as it always does. Without this every page is right when it is opened.
//
// One connection for all tabs of a browser: the tab that holds the lock has it and passes on what it hears. Every tab knows up to where
// it was told, from the moment at which its page was made, so that none misses anything when another takes over.
import { announce, icon } from "./dom.js";

const NAME = "backstock-live";
// A page that is left at once asks for nothing.
const AFTER_MS = 1500;
const ASK_MS = 150;
const SOON_MS = 300;
const KEPT = 200;

let last = 0;
let enhance = () => {};
let source = null;
let release = null;
let heard = [];
let heardFrom = 0;
const channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;

export function followLive(root, again) {
  if (!root.body || !document.body.dataset.live || !("EventSource" in window)) return;
  last = Number(document.body.dataset.live);
  enhance = again;
  setTimeout(start, AFTER_MS);
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    start();
    missedSome();
  });
  document.addEventListener("visibilitychange", () => {
    if (!navigator.locks) document.hidden ? stop() : start();
    if (!document.hidden) for (const run of [...postponed]) soon(run);
  });
}

// -- who has the connection --------------------------------------------------------------------------------

function start() {
  if (channel) {
    channel.onmessage = ({ data }) => hear(data);
    channel.postMessage({ type: "hello", last });
  }
  if (!navigator.locks) {
    connect(last);
    return;
  }
  const stopped = new AbortController();
  release = () => stopped.abort();
  navigator.locks
    .request(NAME, { signal: stopped.signal }, () => new Promise((resolve) => {
      release = resolve;
      lead();
    }))
    .catch(() => {});
}

function stop() {
  source?.close();
  source = null;
  release?.();
  release = null;
}

let oldest = 0;

function lead() {
  // Another tab may have been told less than this one.
  oldest = last;
  channel?.postMessage({ type: "ask" });
  setTimeout(() => connect(oldest), channel ? ASK_MS : 0);
}

function connect(after) {
  if (source) return;
  heard = [];
  heardFrom = after;
  source = new EventSource(`/live?after=${after}`);
  for (const name of ["changed", "many", "reset", "ready"]) {
    source.addEventListener(name, (event) => {
      const told = { type: "event", name, id: Number(event.lastEventId), data: JSON.parse(event.data) };
      heard.push(told);
      if (heard.length > KEPT) heardFrom = heard.shift().id;
      channel?.postMessage(told);
      take(told);
    });
  }
}

function hear(message) {
  if (message.type === "event") take(message);
  if (message.type === "ask") channel.postMessage({ type: "hello", last });
  if (message.type !== "hello") return;
  oldest = Math.min(oldest, message.last);
  if (!source) return;
  if (message.last < heardFrom) channel.postMessage({ type: "event", name: "many", id: heardFrom, data: {} });
  for (const told of heard) if (told.id > message.last) channel.postMessage(told);
}

// -- what it means for this page ---------------------------------------------------------------------------

function take({ name, id, data }) {
  // An older database behind the same address: what was told counts no more.
  if (name === "reset") last = 0;
  if (id <= last) return;
  last = id;
  if (name === "changed") changed(data.kind, data.id);
  if (name === "many" || name === "reset") missedSome();
}

function missedSome() {
  soon(counters);
  const main = document.getElementById("content");
  if (main?.dataset.liveList) soon(list);
  if (main?.dataset.liveOf) soon(page);
}

function changed(kind, id) {
  soon(counters);
  const main = document.getElementById("content");
  if (main?.dataset.liveList?.split(" ").includes(kind)) soon(list);
  const of = main?.dataset.liveOf?.split(" ") ?? [];
  if (of.includes("*") || of.includes(`${kind}:${id}`)) soon(page);
}

const waiting = new Map();
const postponed = new Set();

// Several changes at once are one look; while one look is under way, the next one waits for it. A tab that nobody sees looks later.
function soon(run) {
  if (document.hidden) {
    postponed.add(run);
    return;
  }
  postponed.delete(run);
  if (waiting.get(run) === "set") return;
  if (waiting.get(run) === "runs") {
    waiting.set(run, "again");
    return;
  }
  if (waiting.get(run) === "again") return;
  waiting.set(run, "set");
  setTimeout(async () => {
    waiting.set(run, "runs");
    try {
      await run();
    } catch {
      // The next change looks again.
    }
    const again = waiting.get(run) === "again";
    waiting.delete(run);
    if (again) soon(run);
  }, SOON_MS + Math.random() * SOON_MS);
}

async function asked(address, accept) {
  const answer = await fetch(address, { headers: { accept }, redirect: "error" });
  if (answer.status === 401 || answer.status === 403) stop();
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

async function fetched() {
  const answer = await asked(location.href, "text/html");
  return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("content");
}

// -- counters ------------------------------------------------------------------------------------------------

async function counters() {
  const found = await (await asked("/notifications/counters", "application/json")).json();
  for (const link of document.querySelectorAll("[data-nav]")) {
    number(link, found.counters[link.dataset.nav] ?? 0, link.classList.contains("bottom-link") ? "dot" : "count", " waiting");
  }
  const more = document.querySelector("[data-nav-more]");
  if (more) {
    const shown = [...document.querySelectorAll(".bottom-link[data-nav]")].map((link) => link.dataset.nav);
    const listed = [...document.querySelectorAll(".menu-up [data-nav]")].map((link) => link.dataset.nav);
    const rest = listed.filter((key) => !shown.includes(key)).reduce((sum, key) => sum + (found.counters[key] ?? 0), 0);
    number(more, rest, "dot", " waiting");
  }
  const bell = document.querySelector("[data-bell]");
  if (bell) {
    number(bell, found.unread, "dot", "");
    bell.setAttribute("aria-label", found.bell);
  }
  const box = document.querySelector("[data-waiting]");
  if (!box) return;
  const summary = box.querySelector("summary");
  number(summary, found.waiting, "dot", "");
  summary.setAttribute("aria-label", found.words);
  // What somebody is about to press stays where it is.
  if (!box.open) box.querySelector(".menu-list").replaceChildren(...tasks(found.tasks));
}

function tasks(found) {
  if (!found.length) {
    const none = document.createElement("li");
    none.className = "menu-note";
    none.textContent = "Nothing waits for you.";
    return [none];
  }
  return found.map((task) => {
    const link = document.createElement("a");
    link.className = "menu-item";
    link.href = task.href;
    const words = document.createElement("span");
    words.className = "nav-label";
    words.textContent = task.words;
    link.append(icon(task.icon), words);
    const item = document.createElement("li");
    item.append(link);
    return item;
  });
}

function number(place, count, name, unit) {
  let shown = place.querySelector(`.${name}`);
  if (!count) {
    shown?.remove();
    return;
  }
  if (!shown) {
    shown = document.createElement("span");
    shown.className = name;
    place.append(shown);
  }
  const text = name === "dot" && count > 99 ? "99+" : String(count);
  if (shown.firstChild?.textContent === text) return;
  const hidden = document.createElement("span");
  hidden.className = "visually-hidden";
  hidden.textContent = unit;
  shown.replaceChildren(text, ...(unit ? [hidden] : []));
}

// -- a list ------------------------------------------------------------------------------------------------

const keyOf = (row) => row.querySelector(".main a, .main button")?.closest("[data-key]")?.dataset.key ?? row.querySelector(".main a")?.getAttribute("href");
const rowsOf = (main) => [...main.querySelectorAll("table.data > tbody > tr, [data-live-rows] > [data-key]")].filter((row) => row.dataset.key || keyOf(row));
const nameOf = (row) => row.dataset.key ?? keyOf(row);

async function list() {
  const next = await fetched();
  const main = document.getElementById("content");
  if (!next) return;
  const shown = new Map(rowsOf(main).map((row) => [nameOf(row), row]));
  const there = rowsOf(next);
  const names = new Set(there.map(nameOf));
  let marked = 0;
  for (const row of there) {
    const old = shown.get(nameOf(row));
    if (!old || words(old) === words(row)) continue;
    marked += 1;
    if (!atHand(old)) {
      old.replaceChildren(...row.childNodes);
      enhance(old);
    }
    old.classList.remove("row-gone");
    old.classList.add("row-changed");
  }
  for (const [name, row] of shown) if (!names.has(name)) row.classList.add("row-gone");
  // Where more follow, what has moved up from the next page is not new.
  let fresh = there.filter((row) => !shown.has(nameOf(row)));
  if (main.querySelector('.pager [rel="next"]')) {
    const ends = there.map(nameOf).findLastIndex((name) => shown.has(name));
    fresh = there.filter((row, at) => at < ends && !shown.has(nameOf(row)));
  }
  if (fresh.length) bar(`${fresh.length} new`);
  if (marked) announce(marked === 1 ? "One row has changed." : `${marked} rows have changed.`);
}

// -- one record --------------------------------------------------------------------------------------------

async function page() {
  const next = await fetched();
  const main = document.getElementById("content");
  if (!next || words(next) === words(main)) return;
  const what = main.dataset.liveName ?? "This page";
  if (atHand(main) || filledIn(main)) {
    bar(`${what} has changed`, shownAnew);
    return;
  }
  replace(main, next);
  announce(`${what} has changed and is shown as it is now.`);
}

function replace(main, next) {
  document.querySelector(".live-bar")?.remove();
  main.replaceChildren(...next.childNodes);
  main.dataset.liveOf = next.dataset.liveOf ?? main.dataset.liveOf;
  enhance(main);
}

// Asked for by the person: what was filled in goes over to the same fields of the new page.
async function shownAnew() {
  const main = document.getElementById("content");
  const next = await fetched();
  const kept = [...main.querySelectorAll("form[action] input:not([type=hidden]), form[action] textarea, form[action] select")]
    .filter((field) => filled(field))
    .map((field) => [field.form.getAttribute("action"), field.name, field.type, field.value, field.checked]);
  replace(main, next);
  for (const [action, name, type, value, checked] of kept) {
    for (const field of main.querySelectorAll(`form[action="${CSS.escape(action)}"] [name="${CSS.escape(name)}"]`)) {
      if (type === "checkbox" || type === "radio") {
        if (field.value === value) field.checked = checked;
      } else field.value = value;
    }
  }
  main.focus({ preventScroll: true });
}

// What is read, without what differs each time the page is made: keys of forms, and how long ago something was.
function words(element) {
  const copy = element.cloneNode(true);
  for (const part of copy.querySelectorAll("time, script, .live-bar, .toast-live, .copy")) part.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
}

function atHand(element) {
  const active = document.activeElement;
  if (active && active !== element && element.contains(active)) return true;
  if (element.querySelector("details[open]")) return true;
  if (!document.getSelection()?.isCollapsed && element.contains(document.getSelection().anchorNode)) return true;
  return Boolean([...element.querySelectorAll("a, button, summary, label, input, select, textarea")].find((one) => one.matches(":hover")));
}

function filledIn(element) {
  return [...element.querySelectorAll("input, textarea, select")].some(filled);
}

function filled(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field instanceof HTMLSelectElement) {
    const first = [...field.options].find((option) => option.defaultSelected) ?? field.options[0];
    return field.value !== (first?.value ?? "");
  }
  return field.type !== "hidden" && field.value !== field.defaultValue;
}

// Lies over the page, so that nothing moves under a finger that is on its way.
function bar(text, show = () => location.reload()) {
  let shown = document.querySelector(".live-bar");
  if (!shown) {
    shown = document.createElement("div");
    shown.className = "live-bar";
    shown.setAttribute("role", "status");
    const said = document.createElement("span");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm btn-primary";
    button.textContent = "Show";
    button.addEventListener("click", () => shown.show());
    shown.append(said, button);
    document.body.append(shown);
  }
  shown.firstChild.textContent = text;
  shown.show = show;
}
