// Judges tokens by the rules of proto/PROTOCOL.md, parts 4 and 5, with WebCrypto; written from that page alone.
//
// A line of JSON in ({kind, key, token}) is a line out: the verdict (a code, or `ok` and all that was read), a tab, and
// 1 or 0: whether a reader who leaves everything to the library would take it; asked of one token in LIBRARY_EVERY.
import { createHash, webcrypto } from "node:crypto";

const { subtle } = webcrypto;
const PRIME = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const SMALL_ORDER = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]);
const TYP = /^vigie-(message|credential|login|revocation|rotation)-(live|exercise)-v1$/;
const DEPTH_MAX = 16;
const LIBRARY_EVERY = 10;

class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

function refuse(code) {
  throw new Refused(code);
}

// Part 4. Objects become maps: a name such as __proto__ is a name like any other.
class StrictJson {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  static read(bytes) {
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      refuse("malformed_token");
    }
    const reader = new StrictJson(text);
    reader.space();
    if (reader.text[reader.at] !== "{") refuse("malformed_token");
    const value = reader.value(0);
    reader.space();
    if (reader.at !== text.length) refuse("malformed_token");
    return value;
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
  }

  take(expected) {
    this.space();
    if (!this.text.startsWith(expected, this.at)) refuse("malformed_token");
    this.at += expected.length;
  }

  next() {
    this.space();
    return this.text[this.at];
  }

  value(depth) {
    const first = this.next();
    if (first === "{") return this.object(depth + 1);
    if (first === "[") return this.array(depth + 1);
    if (first === '"') return this.string();
    for (const [word, value] of [["true", true], ["false", false], ["null", null]]) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  object(depth) {
    if (depth > DEPTH_MAX) refuse("malformed_token");
    this.take("{");
    const members = new Map();
    if (this.next() === "}") {
      this.take("}");
      return members;
    }
    for (;;) {
      if (this.next() !== '"') refuse("malformed_token");
      const name = this.string();
      if (members.has(name)) refuse("duplicate_member");
      this.take(":");
      members.set(name, this.value(depth));
      if (this.next() === "}") break;
      this.take(",");
    }
    this.take("}");
    return members;
  }

  array(depth) {
    if (depth > DEPTH_MAX) refuse("malformed_token");
    this.take("[");
    const values = [];
    if (this.next() === "]") {
      this.take("]");
      return values;
    }
    for (;;) {
      values.push(this.value(depth));
      if (this.next() === "]") break;
      this.take(",");
    }
    this.take("]");
    return values;
  }

  string() {
    const form = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/y;
    form.lastIndex = this.at;
    const found = form.exec(this.text);
    if (found === null) refuse("malformed_token");
    this.at = form.lastIndex;
    const value = JSON.parse(found[0]);
    if (!value.isWellFormed()) refuse("malformed_token");
    return value;
  }

  number() {
    const form = /-?(?:0|[1-9][0-9]*)/y;
    form.lastIndex = this.at;
    const found = form.exec(this.text);
    if (found === null || found[0] === "-0") refuse("malformed_token");
    this.at = form.lastIndex;
    if (/[.eE0-9]/.test(this.text[this.at] ?? "")) refuse("malformed_token");
    const value = BigInt(found[0]);
    if (value > 2n ** 53n - 1n || value < 1n - 2n ** 53n) refuse("malformed_token");
    return value;
  }
}

// Part 3.
function base64url(text, length) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) refuse("malformed_token");
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) refuse("malformed_token");
  if (length !== undefined && bytes.length !== length) refuse("malformed_token");
  return bytes;
}

function littleEndian(bytes) {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}

function isSound(point) {
  const y = Buffer.from(point);
  y[31] &= 0x7f;
  return littleEndian(y) < PRIME && !SMALL_ORDER.has(y.toString("hex"));
}

async function signatureFits(key, signature, signed) {
  try {
    const imported = await subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await subtle.verify({ name: "Ed25519" }, imported, signature, Buffer.from(signed));
  } catch {
    // A key that is no point of the curve: no signature fits it.
    return false;
  }
}

// Part 5, in its order.
async function judge({ kind, key, token }) {
  const keyBytes = Buffer.from(key, "base64url");
  if (!isSound(keyBytes)) refuse("key_refused");
  const parts = token.split(".");
  if (parts.length !== 3) refuse("malformed_token");
  const raw = base64url(parts[0]);
  const header = StrictJson.read(raw);
  if (raw.includes("\\")) refuse("malformed_token");
  for (const name of header.keys()) {
    if (!["alg", "kid", "typ"].includes(name)) refuse("unknown_member");
  }
  for (const name of ["alg", "kid", "typ"]) {
    if (typeof header.get(name) !== "string") refuse("malformed_token");
  }
  if (!["EdDSA", "Ed25519"].includes(header.get("alg"))) refuse("malformed_token");
  const typ = TYP.exec(header.get("typ"));
  if (typ === null) refuse("wrong_type");
  base64url(header.get("kid"), 32);
  if (typ[1] !== kind) refuse("wrong_type");
  const payload = base64url(parts[1]);
  const signature = base64url(parts[2], 64);
  const signed = `${parts[0]}.${parts[1]}`;
  const reduced = littleEndian(signature.subarray(32)) < ORDER;
  const sound = reduced && isSound(signature.subarray(0, 32));
  if (!sound || !(await signatureFits(keyBytes, signature, signed))) refuse("bad_signature");
  const hash = (data) => createHash("sha256").update(data).digest("base64url");
  return `ok ${typ[0]} ${header.get("kid")} ${hash(signed)} ${hash(payload)}`;
}

async function verdict(one) {
  try {
    return await judge(one);
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
}

// No rule but the library's own: base64url as Node reads it, and whatever WebCrypto takes.
async function library({ key, token }) {
  const parts = token.split(".");
  if (parts.length !== 3) return 0;
  const signature = Buffer.from(parts[2], "base64url");
  const fits = await signatureFits(Buffer.from(key, "base64url"), signature, `${parts[0]}.${parts[1]}`);
  return fits ? 1 : 0;
}

let rest = Buffer.alloc(0);
let seen = 0;
for await (const chunk of process.stdin) {
  rest = Buffer.concat([rest, chunk]);
  const end = rest.lastIndexOf(10) + 1;
  // Not by readline: it takes U+2028 for the end of a line.
  const lines = rest.subarray(0, end).toString("utf8").split("\n").slice(0, -1);
  rest = rest.subarray(end);
  const judged = await Promise.all(
    lines.map(async (line, at) => {
      const one = JSON.parse(line);
      const taken = (seen + at) % LIBRARY_EVERY === 0 ? await library(one) : "-";
      return `${await verdict(one)}\t${taken}\n`;
    }),
  );
  seen += lines.length;
  process.stdout.write(judged.join(""));
}
