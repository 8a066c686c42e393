"""A second verifier for bundles, written from marketplace/ledger/log/FORMAT.md: the standard library alone.

    python verify_bundle.py FILE [VERIFIER-KEY-OF-THE-LOG ...]      exit code 0: holds, 1: does not

Copy it anywhere."""

import base64
import hashlib
import json
import pathlib
import sys

# Ed25519 verification, RFC 8032 section 5.1.7.
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def need(true, words):
    if not true:
        raise ValueError(words)


def sha(data):
    return hashlib.sha256(data).digest()


def unhex(text):
    return need(bytes.fromhex(text).hex() == text, "hex is written in small letters") or bytes.fromhex(text)


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0])
    g, h = 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def point_of(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need(y < P and not (x * x - xx) % P and (x or not sign), "not a point")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def verified(public, signature, message):
    if len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    base = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    a, b = times(s, base), add(point_of(signature[:32]), times(h, point_of(public)))
    return s < Q and not (a[0] * b[2] - b[0] * a[2]) % P and not (a[1] * b[2] - b[1] * a[2]) % P


def opened(note, vkeys):
    """The text of a note that one of the keys has signed."""
    text, _, lines = note.rpartition("\n\n")
    text, good = text + "\n", False
    for line in lines.splitlines():
        dash, name, encoded = line.split(" ")
        signature = base64.b64decode(encoded, validate=dash == "\u2014" or need(False, "no line of a signature"))
        for vkey in vkeys:
            owner, key_id, key = vkey.split("+", 2)
            if owner == name and key_id == signature[:4].hex():
                kind, public = base64.b64decode(key)[0], base64.b64decode(key)[1:]
                need(sha(owner.encode() + b"\n" + bytes([kind]) + public)[:4].hex() == key_id, "a key with a wrong id")
                good = kind == 1 and verified(public, signature[4:], text.encode())
                need(good, f"the signature of {name} does not hold")
    need(good, "not signed by a key of the log")
    return text


def entries_of(lot):
    """Position -> entry, for a lot whose movements are what they say they are."""
    key, found, left, before, whole = unhex(lot["key"]), {}, {}, -1, True
    for seq, m in enumerate(lot["movements"], 1):
        where = f"movement {seq} of lot {lot['lot']}"
        tag = sha(b"\x02" + key + seq.to_bytes(8, "big"))
        need(m["position"] > before, f"{where} stands before the one before it")
        before = m["position"]
        if "movement" in m:
            r = m["movement"]
            # Names and characters here are such that sorted, compact JSON is RFC 8785.
            said = {"movement": r, "salt": unhex(m["salt"]).hex()}
            commitment = sha(json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode())
            need(r["version"] == 1 and r["lot"] == lot["lot"] and r["seq"] == str(seq), f"{where} is another one")
            need((r["unit"] is not None) == (seq == 1), f"{where}: what the lot is stands in the first movement alone")
            need(seq > 1 or r["unit"]["key_sha256"] == sha(key).hex(), f"{where}: registered with another key")
            moves = r["kind"] not in ("hold", "void", "expire", "freeze", "lift")
            for place, sign in ((r["from"], -1), (r["to"], 1)):
                if place and moves and whole:
                    n = left[place["position"]] = left.get(place["position"], 0) + sign * r["quantity"]
                    need(n >= 0 and place["quantity_after"] in (n, None), f"{where}: the quantities do not add up")
        else:
            commitment, whole = unhex(m["commitment"]), False
            need(unhex(m["tag"]) == tag, f"{where}: not its tag")
        found[before] = b"\x01" + tag + commitment
    return found


def check(bundle, vkeys):
    """What is proven, in words; a ValueError says what does not hold."""
    need(bundle["format"] == "backstock-bundle/1", "not a bundle of this form")
    origin, size, root = opened(bundle["checkpoint"], vkeys).splitlines()[:3]
    size, leaves, met = int(size), {}, set()
    for lot in bundle["lots"]:
        found = entries_of(lot)
        need(not leaves.keys() & found.keys(), "two movements at one position")
        leaves.update((at, sha(b"\x00" + entry)) for at, entry in found.items())

    def over(start, end):
        if f"{start}-{end}" in bundle["nodes"]:
            return unhex(bundle["nodes"][f"{start}-{end}"])
        if end - start == 1:
            met.add(start)
            return leaves[start]
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        return sha(b"\x01" + over(start, middle) + over(middle, end))

    under_root = over(0, size) == base64.b64decode(root) and met == leaves.keys()
    need(under_root, "the movements do not lead to the checkpoint's root")
    kind, tail_origin, tail_size, *tails = opened(bundle["tails"], vkeys).splitlines()
    need((kind, tail_origin, tail_size) == ("backstock-tails/1", origin, str(size)), "tails of another log or size")
    for lot in bundle["lots"]:
        line = f"{sha(unhex(lot['key'])).hex()} {len(lot['movements'])}"
        need(line in tails, f"lot {lot['lot']}: the log says that another movement is the last")
    return f"{len(leaves)} movements of {len(bundle['lots'])} lots are in {origin} at size {size}."


if __name__ == "__main__":
    given = json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
    try:
        print("Holds:", check(given, sys.argv[2:] or given["keys"]))
    except (KeyError, ValueError, TypeError, IndexError) as fault:
        sys.exit(f"Does not hold: {fault!r}")
