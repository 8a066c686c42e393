// The service worker: a phone in a pit has no network. What was looked up stays readable, and what was pressed is sent later, once.
//
// Pages are asked for from the network first; without one the page as it was last seen is shown, and says so. A form that was confirmed
// and could not be sent is kept with its idempotency key and sent again when there is a network: the server carries it out once, however
// often it arrives. Everything is kept apart by person (a header of the page says whose it is, not who), and forgotten on signing out.
const KEEP_PAGES = 80;
const KEEP_DAYS = 7;
const SEND_WITHIN_MS = 24 * 3_600_000;
const STATIC = "static";
const PERSON = "x-backstock-person";
const SEEN = "x-backstock-seen";
const KEPT = /^\/(?:$|scan$|requests|units|calls|find|listings|holdings|sites|offline)/;
const SENT_LATER = /^\/(?:requests\/new$|calls\/[0-9a-f-]{36}\/(?:accept|receive|acknowledge)$|holdings\/)/;

const pagesOf = (person) => `pages-${person}`;

// -- what waits to be sent ----------------------------------------------------------------------------------

function database() {
  return new Promise((done, failed) => {
    const opening = indexedDB.open("backstock", 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("waiting", { keyPath: "key" });
      opening.result.createObjectStore("known", { keyPath: "name" });
    };
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => failed(opening.error);
  });
}

async function store(name, mode, act) {
  const base = await database();
  try {
    return await new Promise((done, failed) => {
      const transaction = base.transaction(name, mode);
      const asked = act(transaction.objectStore(name));
      transaction.oncomplete = () => done(asked?.result);
      transaction.onabort = transaction.onerror = () => failed(transaction.error);
    });
  } finally {
    base.close();
  }
}

const waiting = async () => (await store("waiting", "readonly", (s) => s.getAll())).sort((a, b) => a.at - b.at);
const keep = (one) => store("waiting", "readwrite", (s) => s.put(one));
const drop = (key) => store("waiting", "readwrite", (s) => s.delete(key));
const person = async () => (await store("known", "readonly", (s) => s.get("person")))?.value;
const isPerson = (value) => store("known", "readwrite", (s) => s.put({ name: "person", value }));

async function tellPages() {
  const left = (await waiting()).length;
  for (const client of await self.clients.matchAll()) client.postMessage({ kind: "waiting", left });
}

// -- pages --------------------------------------------------------------------------------------------------

async function forget(except) {
  for (const name of await caches.keys()) {
    if (name.startsWith("pages-") && name !== except) await caches.delete(name);
  }
}

async function remember(request, response) {
  const whose = response.headers.get(PERSON);
  if (!whose) return;
  if (whose !== (await person())) {
    await isPerson(whose);
    await forget(pagesOf(whose));
  }
  const url = new URL(request.url);
  if (!KEPT.test(url.pathname) || response.status !== 200 || !response.headers.get("content-type")?.startsWith("text/html")) return;
  const headers = new Headers(response.headers);
  headers.set(SEEN, String(Date.now()));
  headers.delete("content-encoding");
  const cache = await caches.open(pagesOf(whose));
  await cache.delete(request.url);
  await cache.put(request.url, new Response(await response.text(), { status: 200, headers }));
  const all = await cache.keys();
  for (const old of all.slice(0, Math.max(all.length - KEEP_PAGES, 0))) await cache.delete(old);
}

function asItWas(kept, html) {
  const at = new Date(Number(kept.headers.get(SEEN)));
  const time = `<time datetime="${at.toISOString()}">${at.toLocaleString()}</time>`;
  const said = `<p class="offline-bar" role="status">No connection. This page is as it was on ${time}. <a href="/offline">What you looked up, and what waits to be sent</a></p>`;
  const headers = new Headers(kept.headers);
  return new Response(html.replace(/<body[^>]*>/, (body) => body + said), { status: 200, headers });
}

async function page(event) {
  const request = event.request;
  try {
    const response = await fetch(request);
    // Whose page it is comes first: what waits is sent for nobody else.
    event.waitUntil(remember(request, response.clone()).catch(() => {}).then(sendWaiting));
    return response;
  } catch {
    const whose = await person();
    const cache = whose ? await caches.open(pagesOf(whose)) : null;
    const kept = await cache?.match(request.url);
    if (kept && Date.now() - Number(kept.headers.get(SEEN)) < KEEP_DAYS * 86_400_000) return asItWas(kept, await kept.text());
    return nothingThere("");
  }
}

async function nothingThere(why) {
  const kept = await (await caches.open(STATIC)).match("/offline");
  if (!kept) return Response.error();
  const html = await kept.text();
  return new Response(why ? html.replace('data-why=""', `data-why="${why}"`) : html, { status: 503, headers: { "content-type": "text/html; charset=utf-8" } });
}

// -- forms --------------------------------------------------------------------------------------------------

async function form(event) {
  const request = event.request;
  const url = new URL(request.url);
  if (url.pathname === "/sign-out") {
    // Also where the server cannot be told: whoever signs out leaves nothing to read here.
    await forget("");
    return fetch(request).catch(() => nothingThere("not-sent"));
  }
  const copy = request.clone();
  try {
    return await fetch(request);
  } catch {
    const typed = await copy.text();
    const fields = new URLSearchParams(typed);
    const key = fields.get("idempotency_key");
    // A step is looked at before it is confirmed; having seen an order binds to nothing and is said at once.
    const binding = fields.get("confirmed") === "yes" || url.pathname.endsWith("/acknowledge");
    const whose = await person();
    const plain = copy.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded");
    if (!key || !whose || !plain || !binding || !SENT_LATER.test(url.pathname)) return nothingThere("not-sent");
    await keep({ key, person: whose, path: url.pathname + url.search, body: typed, at: Date.now(), state: "waiting" });
    await self.registration.sync?.register("send").catch(() => {});
    return Response.redirect("/offline?kept=1", 303);
  }
}

let sending = null;

// One at a time and in the order in which they were pressed: a later one may rest on an earlier one.
function sendWaiting() {
  sending ??= sendAll().finally(() => { sending = null; });
  return sending;
}

async function sendAll() {
  const whose = await person();
  let changed = false;
  for (const one of await waiting()) {
    if (one.person !== whose) continue;
    const late = Date.now() - one.at > SEND_WITHIN_MS;
    if (one.state === "done" && late) await drop(one.key);
    if (one.state !== "waiting") continue;
    if (late) {
      await keep({ ...one, state: "refused", words: "It waited for more than a day and was not sent. Look whether it is still wanted." });
      changed = true;
      continue;
    }
    let answer;
    try {
      answer = await fetch(one.path, { method: "POST", body: one.body, headers: { "content-type": "application/x-www-form-urlencoded", [PERSON]: one.person }, credentials: "same-origin" });
    } catch {
      break;
    }
    const arrived = new URL(answer.url);
    if (arrived.pathname === "/sign-in" || answer.status === 401 || answer.status === 429 || answer.status >= 500) break;
    if (answer.ok && answer.redirected) await keep({ ...one, state: "done", link: arrived.pathname + arrived.search });
    else await keep({ ...one, state: "refused", words: await refusal(answer) });
    changed = true;
  }
  if (changed) await tellPages();
}

async function refusal(answer) {
  const found = /<p class="flash-title">([^<]*)/.exec(await answer.text());
  return found ? found[1].replaceAll("&#39;", "'").replaceAll("&amp;", "&").trim() : "The server did not accept it. Open it and try again.";
}

// -- the life of the worker ---------------------------------------------------------------------------------

// These files and, of scripts, what they import: the page without a connection needs all of it.
async function load(cache, wanted) {
  const known = new Set();
  for (let left = wanted; left.length; ) {
    const fresh = [...new Set(left)].filter((url) => !known.has(url));
    left = [];
    for (const url of fresh) {
      known.add(url);
      const response = await fetch(url);
      if (response.status !== 200) throw new Error(`${url}: ${response.status}`);
      if (url.endsWith(".js")) left.push(...[...(await response.clone().text()).matchAll(/^import [^"]*"(\.[^"]+)"/gm)].map((found) => new URL(found[1], url).href));
      await cache.put(url, response);
    }
  }
}

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(STATIC);
    const response = await fetch("/offline", { credentials: "omit" });
    const html = await response.clone().text();
    await cache.put("/offline", response);
    await load(cache, [...html.matchAll(/(?:href|src)="(\/static\/[^"#]+)/g)].map((found) => new URL(found[1], self.location).href));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("sync", (event) => { if (event.tag === "send") event.waitUntil(sendWaiting()); });

self.addEventListener("message", (event) => {
  const { kind, key } = event.data ?? {};
  if (kind === "send") event.waitUntil(sendWaiting().then(tellPages));
  if (kind === "drop") event.waitUntil(drop(key).then(tellPages));
});

async function asset(request) {
  const cache = await caches.open(STATIC);
  const kept = await cache.match(request.url);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.status === 200) {
    const [, , hash] = new URL(request.url).pathname.split("/");
    // An older deployment's files are of no more use.
    for (const old of await cache.keys()) {
      const [, kind, theirs] = new URL(old.url).pathname.split("/");
      if (kind === "static" && theirs !== hash) await cache.delete(old);
    }
    await cache.put(request.url, response.clone());
  }
  return response;
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/static/")) {
    if (request.method === "GET") event.respondWith(asset(request));
  } else if (request.mode === "navigate") {
    event.respondWith(request.method === "GET" ? page(event) : form(event));
  }
});
