import { assert, assertEquals } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import type { P2pError } from "../../src/base/errors.ts";
import { randomNonce } from "../../src/raintree/envelope.ts";
import { Wanted } from "../../src/raintree/wanted.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { RecordingSink } from "./recording_sink.ts";

function rig() {
  const clock = new VirtualClock();
  const sink = new RecordingSink();
  const dead = new Set<string>();
  const complaints: [string, string][] = [];
  const wanted = new Wanted({
    clock,
    sink,
    random: seededRandom(1),
    isDead: (peer) => dead.has(peer),
    onMisbehaviour: (peer, error) => complaints.push([peer, (error as P2pError).code]),
    graceMs: 200,
    timeoutMs: 150,
  });
  const asked = () => sink.take().map(({ to }) => to);
  return { clock, sink, dead, complaints, wanted, asked };
}

Deno.test("Wanted gives the tree time, then asks one, after silence two, then four", async () => {
  const { clock, wanted, asked } = rig();
  for (const peer of "abcdefgh") wanted.heard(peer, 7n);
  await clock.advance(190);
  assertEquals(asked(), []);
  await clock.advance(40);
  assertEquals(asked(), ["a"]);
  await clock.advance(175);
  assertEquals(asked(), ["b", "c"]);
  await clock.advance(175);
  assertEquals(asked(), ["d", "e", "f", "g"]);
  assertEquals(wanted.arrived(7n, false, "e"), true);
  await clock.advance(1000);
  assertEquals(asked(), []);
  assertEquals([wanted.size, clock.pending], [0, 0]);
});

Deno.test("Wanted asks nobody where the tree is in time", async () => {
  const { clock, wanted, asked } = rig();
  wanted.heard("a", 7n);
  await clock.advance(150);
  assertEquals(wanted.arrived(7n, true), false);
  assertEquals(wanted.arrived(7n, true), false);
  await clock.advance(1000);
  assertEquals([asked(), wanted.size, wanted.offerers, clock.pending], [[], 0, 0, 0]);
});

Deno.test("Wanted.heard() asks at once where it is urgent", () => {
  const { wanted, asked } = rig();
  wanted.heard("a", 7n);
  wanted.heard("b", 7n, true);
  assertEquals(asked(), ["a"]);
  wanted.close();
});

Deno.test("Wanted waits longer for a tree that turned out to be slow", async () => {
  const { clock, wanted, asked } = rig();
  wanted.heard("a", 1n);
  await clock.advance(400);
  assertEquals(asked(), ["a"]);
  wanted.arrived(1n, true);
  wanted.heard("a", 2n);
  await clock.advance(450);
  assertEquals(asked(), []);
  await clock.advance(100);
  assertEquals(asked(), ["a"]);
  wanted.close();
});

Deno.test("Wanted gives whoever answers slowly longer, up to four times as long", async () => {
  const { clock, wanted, asked } = rig();
  for (let nonce = 1n; nonce <= 20n; nonce++) {
    wanted.heard("a", nonce, true);
    await clock.advance(125);
    wanted.arrived(nonce, false, "a");
  }
  asked();
  wanted.heard("a", 100n, true);
  wanted.heard("b", 100n);
  await clock.advance(140);
  assertEquals(asked(), ["a"]);
  await clock.advance(50);
  assertEquals(asked(), ["b"]);
  wanted.close();
});

Deno.test("Wanted asks those first who did not fail it, and no dead ones", async () => {
  const { clock, dead, wanted, asked } = rig();
  wanted.heard("a", 1n, true);
  await clock.advance(200);
  assertEquals(asked(), ["a"]);
  dead.add("b");
  for (const peer of "abc") wanted.heard(peer, 2n);
  await clock.advance(250);
  assertEquals(asked(), ["c"]);
  wanted.close();
});

Deno.test("Wanted complains about who offers and does not send, not for one loss, and not about the dead", async () => {
  const { clock, dead, complaints, wanted } = rig();
  dead.add("d");
  for (let nonce = 1n; nonce <= 4n; nonce++) {
    for (const peer of "ad") wanted.heard(peer, nonce, true);
    await clock.advance(4000);
  }
  assertEquals(complaints, []);
  wanted.heard("a", 8n, true);
  await clock.advance(200);
  assertEquals(complaints, [["a", "repair_not_sent"]]);
  wanted.heard("b", 9n, true);
  wanted.arrived(9n, false, "b");
  wanted.close();
});

Deno.test("Wanted asks one peer for a bounded number at once, and goes on as they come", async () => {
  const { clock, wanted, asked } = rig();
  for (let nonce = 1n; nonce <= 300n; nonce++) wanted.heard("a", nonce, true);
  assertEquals(asked().length, 128);
  for (let nonce = 1n; nonce <= 100n; nonce++) wanted.arrived(nonce, false, "a");
  await clock.advance(30);
  assertEquals(asked().length, 100);
  wanted.close();
});

Deno.test("Wanted stays bounded under forged offers, asks once per offer, and takes less and less from who forges", async () => {
  const { clock, complaints, wanted, asked } = rig();
  const random = seededRandom(3);
  let offers = 0;
  for (let round = 0; round < 60; round++) {
    for (let peer = 0; peer < 10; peer++) {
      for (let i = 0; i < 400; i++, offers++) wanted.heard(`liar ${peer}`, randomNonce(random));
    }
    assert(wanted.size <= 8192, `${wanted.size} lacking`);
    await clock.advance(100);
  }
  const wants = asked().length;
  assert(wants < offers / 10, `${wants} wants for ${offers} offers`);
  assert(complaints.length >= 10);
  assert(wanted.offerers <= 10);
  await clock.advance(60_000);
  assertEquals([wanted.size, clock.pending], [0, 0]);
});

Deno.test("Wanted.close() leaves no timer", () => {
  const { clock, wanted, asked } = rig();
  wanted.heard("a", 1n, true);
  wanted.close();
  wanted.close();
  wanted.heard("a", 2n, true);
  assertEquals([asked().length, clock.pending, wanted.size], [1, 0, 0]);
});

Deno.test("Wanted lets nobody be kept out by those who offer again and again and send nothing", async () => {
  const { clock, wanted, asked } = rig();
  const liars = [..."abcdefghijkl"];
  let askedHonest = false;
  for (let ms = 0; ms < 5000 && !askedHonest; ms += 10) {
    for (const liar of liars) wanted.heard(liar, 7n);
    if (ms % 400 === 0) wanted.heard("honest", 7n);
    await clock.advance(10);
    askedHonest = asked().includes("honest");
  }
  assertEquals(askedHonest, true);
  wanted.close();
});

Deno.test("Wanted takes nobody for silent whose answers others were faster than, or that come a while later", async () => {
  const { clock, wanted, asked, complaints } = rig();
  for (let nonce = 1n; nonce <= 60n; nonce++) {
    wanted.heard("a", nonce, true);
    let wasAsked = asked().length > 0;
    for (let ms = 0; ms < 1000 && !wasAsked; ms += 25) {
      await clock.advance(25);
      wasAsked = asked().length > 0;
    }
    assertEquals(wasAsked, true);
    if (nonce % 5n === 0n) {
      // Lost: it comes by the tree in the end.
      await clock.advance(200);
      wanted.arrived(nonce, true);
    } else {
      wanted.arrived(nonce, true);
      await clock.advance(10);
      wanted.late("a", nonce);
    }
    await clock.advance(4000);
  }
  assertEquals(complaints, []);
  wanted.close();
});

Deno.test("Wanted.late() forgives who sends what it was asked for, and nobody for anything else", async () => {
  const { clock, wanted, complaints } = rig();
  const strikes = async (late: bigint) => {
    complaints.length = 0;
    for (let nonce = 100n; nonce < 120n; nonce++) {
      wanted.heard("a", nonce);
      await clock.advance(1500);
      wanted.late("a", late === 0n ? nonce : late);
    }
    return complaints.length;
  };
  assertEquals(await strikes(0n), 0);
  assertEquals((await strikes(5n)) > 0, true);
  wanted.close();
});
