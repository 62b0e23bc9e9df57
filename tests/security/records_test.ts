import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { P2pError, ProtocolError } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ByteWriter } from "../../src/codec/byte_writer.ts";
import { CipherState } from "../../src/security/cipher_state.ts";
import { RecordOpener } from "../../src/security/record_opener.ts";
import { RECORD_PLAINTEXT_BYTES_MAX, RecordSealer } from "../../src/security/record_sealer.ts";
import rfc8439 from "../vectors/chacha20_poly1305.json" with { type: "json" };

const key = new Uint8Array(32).fill(7);

function concat(parts: Uint8Array[]): Uint8Array {
  const out = new ByteWriter();
  for (const part of parts) out.push(part);
  return out.bytes();
}

function seal(...plaintexts: Uint8Array[]): Uint8Array {
  const out = new ByteWriter(1);
  const sealer = new RecordSealer(new CipherState(key));
  for (const plaintext of plaintexts) sealer.seal(plaintext, out);
  return out.bytes();
}

function open(chunks: Uint8Array[]): Uint8Array[] {
  const delivered: Uint8Array[] = [];
  const opener = new RecordOpener(new CipherState(key));
  for (const chunk of chunks) {
    const reused = chunk.slice();
    opener.push(reused, (plaintext) => delivered.push(plaintext));
    reused.fill(0xee); // the reader may write over what it handed in
  }
  return delivered;
}

/** Cuts `bytes` at the given places, in any order and beyond the end. */
function cut(bytes: Uint8Array, places: number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

Deno.test("CipherState agrees with RFC 8439 in Noise's nonce layout", () => {
  const { key, counter, associated, plaintext, ciphertext } = rfc8439;
  const cipher = () => new CipherState(Uint8Array.fromHex(key), BigInt(counter));
  const sealed = new Uint8Array(ciphertext.length / 2);
  cipher().encrypt(sealed, 0, Uint8Array.fromHex(plaintext), Uint8Array.fromHex(associated));
  assertEquals(sealed.toHex(), ciphertext);
  assertEquals(cipher().decrypt(sealed, Uint8Array.fromHex(associated)).toHex(), plaintext);
});

Deno.test("CipherState counts past a byte and refuses to repeat a nonce", () => {
  const [left, right] = [new CipherState(key, 254n), new CipherState(key, 254n)];
  const sealed = new Uint8Array(17);
  const seen = new Set<string>();
  for (let i = 0; i < 5; i++) {
    left.encrypt(sealed, 0, Uint8Array.of(i));
    seen.add(sealed.toHex());
    assertEquals(right.decrypt(sealed), Uint8Array.of(i));
  }
  assertEquals(seen.size, 5);
  const behind = new CipherState(key, 256n);
  new CipherState(key, 256n).encrypt(sealed, 0, Uint8Array.of(9));
  assertEquals(behind.decrypt(sealed), Uint8Array.of(9));

  const last = new CipherState(key, (1n << 64n) - 2n);
  last.encrypt(sealed, 0, Uint8Array.of(1));
  const code = (work: () => unknown) => assertThrows(work, P2pError).code;
  assertEquals(code(() => last.encrypt(sealed, 0, Uint8Array.of(1))), "noise_exhausted");
  assertEquals(code(() => last.decrypt(sealed)), "noise_exhausted");
});

Deno.test("RecordOpener opens what RecordSealer sealed, however the stream is cut", () => {
  const plaintexts = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 });
  fc.assert(
    fc.property(plaintexts, fc.array(fc.nat(3000), { maxLength: 12 }), (plaintexts, places) => {
      const opened = open(cut(seal(...plaintexts), places));
      assertEquals(opened, plaintexts.filter((plaintext) => plaintext.length > 0));
    }),
    { seed: 1 },
  );
});

Deno.test("RecordOpener opens a stream that arrives byte by byte", () => {
  const plaintexts = [Uint8Array.of(1), new Uint8Array(400).fill(2), Uint8Array.of(3, 4)];
  const bytes = seal(...plaintexts);
  assertEquals(open([...bytes].map((byte) => Uint8Array.of(byte))), plaintexts);
});

Deno.test("RecordSealer.seal() cuts long plaintext into the fewest records", () => {
  const plaintext = seededRandom(5).fill(new Uint8Array(2 * RECORD_PLAINTEXT_BYTES_MAX + 1));
  const bytes = seal(plaintext);
  assertEquals(bytes.length, plaintext.length + 3 * 18);
  assertEquals(bytes.subarray(0, 2), Uint8Array.of(0xff, 0xff));
  const opened = open(cut(bytes, [1, 65_536, 65_537, 65_538, 131_074, 131_075]));
  assertEquals(opened.map((part) => part.length), [RECORD_PLAINTEXT_BYTES_MAX, RECORD_PLAINTEXT_BYTES_MAX, 1]);
  assertEquals(concat(opened).toHex(), plaintext.toHex());
});

Deno.test("RecordSealer.seal() appends to what is there", () => {
  const out = new ByteWriter(1);
  out.byte(42);
  new RecordSealer(new CipherState(key)).seal(Uint8Array.of(1), out);
  assertEquals(out.bytes()[0], 42);
  assertEquals(open([out.bytes(1)]), [Uint8Array.of(1)]);
});

Deno.test("RecordOpener delivers plain arrays and leaves empty records out", () => {
  const empty = new Uint8Array(18);
  empty[1] = 16;
  new CipherState(key).encrypt(empty, 2, new Uint8Array());
  const rest = new Uint8Array(2 + 17);
  rest[1] = 17;
  new CipherState(key, 1n).encrypt(rest, 2, Uint8Array.of(5));
  const opened = open([concat([empty, rest])]);
  assertEquals(opened, [Uint8Array.of(5)]);
  assertEquals(Object.getPrototypeOf(opened[0]), Uint8Array.prototype);
});

Deno.test("RecordOpener refuses every changed bit, and delivers nothing of that record", () => {
  const bytes = seal(Uint8Array.of(1, 2, 3), Uint8Array.of(4));
  for (let bit = 16; bit < 21 * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    const delivered: Uint8Array[] = [];
    const opener = new RecordOpener(new CipherState(key));
    const error = assertThrows(() => opener.push(changed, (plaintext) => delivered.push(plaintext)), ProtocolError);
    assertEquals([error.code, delivered], ["noise_bad_record", []], `bit ${bit}`);
  }
});

Deno.test("RecordOpener refuses replayed, reordered, missing and truncated records", () => {
  const bytes = seal(Uint8Array.of(1), Uint8Array.of(2));
  const [first, second] = [bytes.subarray(0, 19), bytes.subarray(19)];
  for (
    const stream of [[first, first], [second, first], [second], [Uint8Array.of(0, 0)], [Uint8Array.of(0, 15, ...first)]]
  ) {
    assertEquals(assertThrows(() => open(stream), ProtocolError).code, "noise_bad_record");
  }
  assertEquals(open([first, second.subarray(0, 18)]), [Uint8Array.of(1)]);
});

Deno.test("RecordOpener throws ProtocolError or waits for more on random bytes", () => {
  const random = seededRandom(9);
  for (let i = 0; i < 300; i++) {
    const bytes = random.fill(new Uint8Array(i));
    if (i > 1 && i % 3 === 0) bytes.set([0, Math.floor(random.next() * 40)]);
    const complete = i >= 2 && i >= 2 + ((bytes[0] << 8) | bytes[1]);
    if (complete) assertThrows(() => open([bytes]), ProtocolError, "", `seed 9, round ${i}`);
    else assert(open(cut(bytes, [i >> 1, i >> 2])).length === 0, `seed 9, round ${i}`);
  }
});
