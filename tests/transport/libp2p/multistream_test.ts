import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { P2pError, ProtocolError } from "../../../src/base/errors.ts";
import { below, type Random, seededRandom } from "../../../src/base/random.ts";
import {
  MULTISTREAM,
  MultistreamDialer,
  multistreamLines,
  MultistreamListener,
} from "../../../src/transport/libp2p/multistream.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);

function listener(...protocols: string[]): MultistreamListener {
  return new MultistreamListener({ supports: (asked) => protocols.includes(asked), list: () => protocols });
}

/** Feeds `all` to `side` in random pieces; returns what stood behind the negotiation and what `side` sent. */
function feed(side: MultistreamDialer | MultistreamListener, all: Uint8Array, random: Random) {
  const sent: number[] = [];
  for (let at = 0; at < all.length;) {
    const end = Math.min(all.length, at + 1 + below(random, 9));
    const rest = side.receive(all.subarray(at, end), (out) => sent.push(...out));
    if (rest !== undefined) return { rest: text(rest) + text(all.subarray(end)), sent: new Uint8Array(sent) };
    at = end;
  }
  return { rest: undefined, sent: new Uint8Array(sent) };
}

Deno.test("multistreamLines() writes the lines of the specification", () => {
  assertEquals(text(multistreamLines(MULTISTREAM, "/noise")), "\x13/multistream/1.0.0\n\x07/noise\n");
});

Deno.test("MultistreamDialer and MultistreamListener agree however the bytes are cut, and keep what follows", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const offered = ["/a/1", "/b/1", "/c/1"].slice(0, 1 + below(random, 3));
    const wanted = offered[below(random, offered.length)];
    const dialer = new MultistreamDialer(offered);
    const accepting = listener(wanted);
    let toListener = dialer.first();
    let selected: string | undefined;
    for (let turn = 0; selected === undefined; turn++) {
      assert(turn < 5, `replay with seed ${seed}`);
      const data = offered[turn] === wanted ? bytes("data") : new Uint8Array(0);
      const answer = feed(accepting, new Uint8Array([...toListener, ...data]), random);
      if (accepting.selected !== undefined) assertEquals(answer.rest, "data");
      const reply = feed(dialer, new Uint8Array([...answer.sent, ...data]), random);
      if (dialer.selected !== undefined) assertEquals(reply.rest, "data");
      toListener = reply.sent;
      selected = dialer.selected;
    }
    assertEquals([selected, accepting.selected], [wanted, wanted], `replay with seed ${seed}`);
  }
});

Deno.test("MultistreamDialer.receive() throws protocol_unsupported when every proposal is refused", () => {
  const dialer = new MultistreamDialer(["/a", "/b"]);
  const proposals: string[] = [];
  const refuse = multistreamLines("na");
  assertStrictEquals(
    dialer.receive(multistreamLines(MULTISTREAM, "na"), (out) => proposals.push(text(out))),
    undefined,
  );
  assertEquals(proposals, ["\x03/b\n"]);
  const error = assertThrows(() => dialer.receive(refuse, () => {}), P2pError);
  assertEquals(error.code, "protocol_unsupported");
});

Deno.test("MultistreamListener answers ls with every protocol, each line nested in one", () => {
  const sent: Uint8Array[] = [];
  const side = listener("/a", "/bc");
  assertStrictEquals(side.receive(multistreamLines(MULTISTREAM, "ls"), (out) => sent.push(out)), undefined);
  assertEquals(text(sent[0]), "\x13/multistream/1.0.0\n\x0a\x03/a\n\x04/bc\n\n");
  assertStrictEquals(side.refused, false);
});

Deno.test("MultistreamListener answers na and goes on", () => {
  const sent: string[] = [];
  const side = listener("/a");
  assertStrictEquals(side.receive(multistreamLines(MULTISTREAM, "/x"), (out) => sent.push(text(out))), undefined);
  assertStrictEquals(side.refused, true);
  assertEquals(side.receive(multistreamLines("/a"), (out) => sent.push(text(out)))?.length, 0);
  assertEquals(sent, ["\x13/multistream/1.0.0\n\x03na\n", "\x03/a\n"]);
});

Deno.test("MultistreamListener sends its header alone to a dialer that waits for it", () => {
  const sent: string[] = [];
  listener("/a").receive(multistreamLines(MULTISTREAM), (out) => sent.push(text(out)));
  assertEquals(sent, ["\x13/multistream/1.0.0\n"]);
});

Deno.test("MultistreamListener.receive() refuses what is no negotiation with a typed error", () => {
  const cases: [string, Uint8Array][] = [
    ["multistream_bad_header", multistreamLines("/multistream/2.0.0")],
    ["multistream_bad_length", bytes("\x00")],
    ["multistream_bad_length", new Uint8Array([0x81, 0x10])],
    ["multistream_no_newline", bytes("\x03abc")],
    ["varint_too_long", new Uint8Array(11).fill(0xff)],
    ["multistream_too_many_proposals", multistreamLines(MULTISTREAM, ...new Array(65).fill("/x"))],
  ];
  for (const [code, input] of cases) {
    const error = assertThrows(() => listener("/a").receive(input, () => {}), ProtocolError);
    assertEquals(error.code, code);
  }
});

Deno.test("MultistreamDialer.receive() refuses an answer to something else", () => {
  const answer = multistreamLines(MULTISTREAM, "/other");
  const error = assertThrows(() => new MultistreamDialer(["/a"]).receive(answer, () => {}), ProtocolError);
  assertEquals(error.code, "multistream_bad_answer");
});

Deno.test("MultistreamListener.receive() returns or throws a P2pError for mutated input", () => {
  const honest = multistreamLines(MULTISTREAM, "/x", "ls", "/a");
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = seededRandom(seed);
    const input = honest.slice(0, 1 + below(random, honest.length));
    for (let i = below(random, 4); i > 0; i--) input[below(random, input.length)] = below(random, 256);
    try {
      feed(listener("/a"), input, random);
    } catch (error) {
      assert(error instanceof P2pError, `replay with seed ${seed}: ${error}`);
    }
  }
});

Deno.test("MultistreamListener.receive() answers ls twice, since the list is long", () => {
  let sent = 0;
  const side = listener("/a");
  const ask = (...lines: string[]) => side.receive(multistreamLines(...lines), () => sent++);
  ask(MULTISTREAM, "ls", "ls");
  assertEquals(sent, 2);
  assertEquals(assertThrows(() => ask("ls"), P2pError).code, "multistream_too_many_proposals");
  assertEquals(sent, 2);
});
