// Checks a bundle in the reader's browser, as marketplace/ledger/log/FORMAT.md describes it. Nothing is sent anywhere.
const MOVES_NOTHING = new Set(["hold", "void", "expire", "freeze", "lift"]);
const text = new TextEncoder();

class Fault extends Error {}

const counted = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

const need = (true_, words) => {
  if (!true_) throw new Fault(words);
};

function unhex(value, size) {
  need(typeof value === "string" && /^([0-9a-f]{2})*$/.test(value), "A value is not written in small hex digits.");
  const bytes = Uint8Array.from(value.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  need(size === undefined || bytes.length === size, `A value has ${bytes.length} bytes, not ${size}.`);
  return bytes;
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

function unbase64(value) {
  try {
    return Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
  } catch {
    throw new Fault("A key or signature is not base64.");
  }
}

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// RFC 8785, of the types that occur: JavaScript sorts by UTF-16 code units and writes strings as it asks.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.keys(value).sort().map((k) => `${JSON.stringify(k)}:${canonical(value[k])}`).join(",")}}`;
  }
  need(typeof value !== "number" || Number.isSafeInteger(value), "A number is too large to be told apart.");
  return JSON.stringify(value);
}

function eight(n) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(n));
  return bytes;
}

async function key(vkey) {
  const [name, id, encoded] = [...vkey.trim().split("+", 2), vkey.trim().split("+").slice(2).join("+")];
  const material = unbase64(encoded ?? "");
  need(material.length === 33, `The key of ${name} cannot be read: it has the form name+hex+base64.`);
  const known = hex((await sha256(joined(text.encode(`${name}\n`), material))).slice(0, 4));
  need(known === id, `The key of ${name} does not fit its own id: it was copied wrongly.`);
  const raw = await crypto.subtle.importKey("raw", material.slice(1), { name: "Ed25519" }, false, ["verify"]);
  return { name, id, kind: material[0], raw };
}

// The text of a note, and by whom of `keys` it is signed. A line by a known key that does not hold refuses the note.
async function opened(note, keys) {
  need(typeof note === "string", "A signed note is missing.");
  const cut = note.lastIndexOf("\n\n");
  need(cut >= 0, "A signed note is cut off.");
  const body = note.slice(0, cut + 1);
  const by = [];
  for (const line of note.slice(cut + 2).split("\n").filter(Boolean)) {
    const [dash, name, encoded] = line.split(" ");
    need(dash === "\u2014" && encoded, "A line under a note is no signature.");
    const bytes = unbase64(encoded);
    const known = keys.find((k) => k.name === name && k.id === hex(bytes.slice(0, 4)));
    if (!known) continue;
    let message = text.encode(body);
    let signature = bytes.slice(4);
    if (known.kind === 4) {
      const at = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
      message = joined(text.encode(`cosignature/v1\ntime ${at}\n`), message);
      signature = signature.slice(8);
    }
    need(await crypto.subtle.verify({ name: "Ed25519" }, known.raw, signature, message), `The signature of ${name} does not hold: the text was changed, or somebody else signed it.`);
    if (!by.includes(known)) by.push(known);
  }
  return { body, by };
}

async function entriesOf(lot, leaves) {
  const lotKey = unhex(lot.key, 32);
  const keyHash = hex(await sha256(lotKey));
  const left = new Map();
  let before = -1;
  let whole = true;
  for (const [n, m] of lot.movements.entries()) {
    const seq = n + 1;
    const where = `Movement ${seq} of lot ${lot.lot}`;
    need(Number.isInteger(m.position) && m.position > before && !leaves.has(m.position), `${where} stands at position ${m.position}, which does not follow.`);
    before = m.position;
    const tag = await sha256(joined(new Uint8Array([2]), lotKey, eight(seq)));
    let commitment;
    if (m.movement !== undefined) {
      const r = m.movement;
      unhex(m.salt, 16);
      commitment = await sha256(text.encode(canonical({ movement: r, salt: m.salt })));
      need(r.version === 1 && r.lot === lot.lot && r.seq === String(seq), `${where} is in truth movement ${r.seq} of lot ${r.lot}.`);
      need((r.unit !== null) === (seq === 1), `${where}: only the first movement of a lot says what it is.`);
      need(seq > 1 || r.unit.key_sha256 === keyHash, `${where}: the lot was registered with another key.`);
      if (whole && !MOVES_NOTHING.has(r.kind)) {
        for (const [place, sign] of [[r.from, -1], [r.to, 1]]) {
          if (!place) continue;
          const there = (left.get(place.position) ?? 0) + sign * r.quantity;
          left.set(place.position, there);
          need(there >= 0 && (place.quantity_after === null || place.quantity_after === there), `${where}: the quantities do not add up.`);
        }
      }
    } else {
      whole = false;
      commitment = unhex(m.commitment, 32);
      need(hex(tag) === m.tag, `${where}: its tag is not that of this lot and this number.`);
    }
    leaves.set(m.position, await sha256(joined(new Uint8Array([0, 1]), tag, commitment)));
  }
  return { keyHash, whole };
}

export async function check(bundle, trusted) {
  need(bundle?.format === "backstock-bundle/1", "This is no bundle of the form backstock-bundle/1.");
  const keys = await Promise.all((trusted.length ? trusted : bundle.keys).map(key));
  const witnesses = await Promise.all(bundle.witnesses.map(key));
  const point = await opened(bundle.checkpoint, keys);
  need(point.by.some((k) => k.kind === 1), "No known key of the log has signed the checkpoint.");
  const namesOf = (by) => by.filter((k) => k.kind === 4).map((k) => k.name);
  // A key that came with the file is nobody's in particular: whoever forges the one writes the other beside it.
  const cosigned = trusted.length ? namesOf(point.by) : [];
  const claimed = namesOf((await opened(bundle.checkpoint, witnesses)).by);
  const [origin, sizeText, rootText] = point.body.split("\n");
  const size = Number(sizeText);
  const leaves = new Map();
  const tails = [];
  let wholeLots = 0;
  for (const lot of bundle.lots) {
    const { keyHash, whole } = await entriesOf(lot, leaves);
    tails.push(`${keyHash} ${lot.movements.length}`);
    wholeLots += whole ? 1 : 0;
  }
  need([...leaves.keys()].every((p) => p < size), "A movement lies beyond the checkpoint: this proof is for another one.");
  let met = 0;
  const over = async (start, end) => {
    const given = bundle.nodes[`${start}-${end}`];
    if (given !== undefined) return unhex(given, 32);
    if (end - start === 1) {
      need(leaves.has(start), `The proof lacks the hash of position ${start}: the bundle is not whole.`);
      met += 1;
      return leaves.get(start);
    }
    let half = 1;
    while (half * 2 < end - start) half *= 2;
    return sha256(joined(new Uint8Array([1]), await over(start, start + half), await over(start + half, end)));
  };
  need(hex(await over(0, size)) === hex(unbase64(rootText)), "The movements do not lead to the root of the checkpoint: one was changed, or they are of another log.");
  need(met === leaves.size, "Some movements are not under the root: a hash of the proof stands in their place.");
  const said = await opened(bundle.tails, keys);
  const lines = said.body.split("\n");
  need(said.by.length > 0 && lines[0] === "backstock-tails/1" && lines[1] === origin && lines[2] === sizeText, "What the log says of the last movement of each lot is not signed by it, or of another size.");
  for (const [n, line] of tails.entries()) need(lines.includes(line), `Lot ${bundle.lots[n].lot}: the log says that another movement is the last.`);
  const proven = [
    `${counted(leaves.size, "movement")} of ${counted(bundle.lots.length, "lot")} ${leaves.size === 1 ? "stands" : "stand"} in the log ${origin} as they are shown here, at size ${size.toLocaleString("en")}.`,
    "None of a lot's movements is left out, from the first to the last that the log knew at that size: it has signed which one is the last.",
  ];
  if (wholeLots) proven.push(`Of ${counted(wholeLots, "lot")} every movement is shown, and the quantities lead from one to the next.`);
  if (cosigned.length) proven.push(`Cosigned by ${cosigned.join(", ")}.`);
  const open = [
    "That what was reported is true: a proof shows what was recorded and when, not what stands on a shelf.",
    "What happened after the checkpoint.",
    "That these are all the lots of what the file says it is of: it proves those that stand in it.",
  ];
  if (!trusted.length) open.unshift(`That the key is that of ${origin}: it was taken from the file.`);
  if (!cosigned.length) {
    open.unshift(claimed.length
      ? `That everybody is shown the same log: ${claimed.join(", ")} cosigned it, but that key was taken from the file. Enter keys of witnesses that you know.`
      : "That everybody is shown the same log: no witness has cosigned this checkpoint.");
  }
  return { proven, open };
}

function list(title, items) {
  const box = document.createElement("div");
  const head = document.createElement("h3");
  head.textContent = title;
  const found = document.createElement("ul");
  found.className = "sentences";
  for (const words of items) {
    const item = document.createElement("li");
    item.textContent = words;
    found.append(item);
  }
  box.append(head, found);
  return box;
}

function show(target, tone, title, ...rest) {
  target.replaceChildren();
  const flash = document.createElement("div");
  flash.className = `flash tone-${tone}`;
  flash.setAttribute("role", tone === "bad" ? "alert" : "status");
  const inside = document.createElement("div");
  const head = document.createElement("p");
  head.className = "flash-title";
  head.textContent = title;
  inside.append(head, ...rest);
  flash.append(inside);
  target.append(flash);
  target.hidden = false;
  target.focus();
}

async function judge(box, file) {
  const target = box.querySelector("[data-verdict]");
  const trusted = box.querySelector("textarea").value.split("\n").map((line) => line.trim()).filter(Boolean);
  show(target, "info", `Checking ${file.name}…`);
  let bundle;
  try {
    bundle = JSON.parse(await file.text());
  } catch {
    show(target, "bad", "This file is not whole, or no bundle: it cannot be read.");
    return;
  }
  try {
    const { proven, open } = await check(bundle, trusted);
    show(target, "good", "It holds.", list("Proven", proven), list("Not proven", open));
  } catch (error) {
    const words = error instanceof Fault ? error.message : `The bundle is damaged (${error.message}).`;
    show(target, "bad", "It does not hold.", list("Wrong", [words]));
  }
}

for (const box of document.querySelectorAll("[data-verify]")) {
  const field = box.querySelector("input[type=file]");
  const drop = box.querySelector("[data-drop]");
  field.addEventListener("change", () => field.files[0] && judge(box, field.files[0]));
  drop.addEventListener("dragover", (event) => event.preventDefault());
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) judge(box, event.dataTransfer.files[0]);
  });
}
