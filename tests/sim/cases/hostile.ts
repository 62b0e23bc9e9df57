import { seededRandom } from "../../../src/base/random.ts";
import { addressToBytes } from "../../../src/identity/address.ts";
import { encodeControlMessage } from "../../../src/raintree/control_message.ts";
import { encodeEnvelope, randomNonce } from "../../../src/raintree/envelope.ts";
import { encodeRainTreeMessage } from "../../../src/raintree/message.ts";
import { SimCluster } from "../../../src/sim/sim_cluster.ts";
import type { SimHost } from "../../../src/sim/sim_host.ts";
import { Attacker } from "./attacker.ts";
import type { SimCase } from "./case.ts";
import { packNonces } from "../../../src/raintree/packed_nonces.ts";
import { SILENT } from "../../raintree/silent_message.ts";

const NODES = 27;
const VICTIM = 13;
/** A node that is among the victim's tree neighbours, so that both are connected and hand over to each other. */
const ATTACKER = 12;

/** What an attack is made of when its messages are built. */
interface Scene {
  readonly cluster: SimCluster;
  readonly attacker: Attacker;
  /** The next message. */
  readonly next: (i: number) => Uint8Array;
}

interface Attack {
  readonly name: string;
  readonly channel: "raintree" | "control";
  /** Messages sent. */
  readonly count: number;
  /** Not banned for it: honest peers of a network with far too much under way look the same. It has no effect, and the attacker is asked less and less. */
  readonly borne?: true;
  build(scene: Omit<Scene, "next">): Scene["next"];
}

/** Messages sent in one virtual millisecond. */
const AT_ONCE = 50;

const random = () => seededRandom(99);

const ATTACKS: readonly Attack[] = [
  {
    name: "one frame replayed 100,000 times",
    channel: "raintree",
    count: 100_000,
    build: ({ attacker: { captured } }) => () => captured[0],
  },
  {
    name: "forged levels",
    channel: "raintree",
    count: 2_000,
    build() {
      const source = random();
      return (i) => encodeRainTreeMessage({ level: 20 + i, data: freshEnvelope(source) });
    },
  },
  {
    name: "forged segments",
    channel: "raintree",
    count: 2_000,
    build({ cluster }) {
      const source = random();
      // The whole ring, from the victim to the victim: the sender is in it.
      const until = addressToBytes(cluster.nodes[VICTIM].key.address);
      return (i) => encodeRainTreeMessage({ level: 0, seq: i, until, data: freshEnvelope(source) });
    },
  },
  {
    name: "oversized digests",
    channel: "control",
    count: 200,
    build() {
      const source = random();
      const offers = packNonces(Array.from({ length: 8193 }, () => randomNonce(source)));
      const message = encodeControlMessage({ ...SILENT, offers });
      return () => message;
    },
  },
  {
    name: "digests of what nobody has",
    channel: "control",
    count: 2_000,
    borne: true,
    build() {
      const source = random();
      return () =>
        encodeControlMessage({ ...SILENT, offers: packNonces(Array.from({ length: 100 }, () => randomNonce(source))) });
    },
  },
  {
    name: "floods of wants",
    channel: "control",
    count: 2_000,
    build({ attacker: { captured } }) {
      const source = random();
      // The nonce stands in the last nine bytes of the payload: one that the victim has, and inventions.
      const known = captured.map((bytes) => lastNonce(bytes));
      return () =>
        encodeControlMessage({
          ...SILENT,
          wants: [...known, ...Array.from({ length: 100 }, () => randomNonce(source))],
        });
    },
  },
  {
    name: "duties for what everybody has",
    channel: "control",
    count: 2_000,
    build({ cluster, attacker: { captured } }) {
      const nonce = lastNonce(captured[0]);
      // Segments that grow, up to everybody but the attacker.
      const until = (i: number) => addressToBytes(cluster.nodes[(VICTIM + 1 + i % (NODES - 1)) % NODES].key.address);
      return (i) =>
        encodeControlMessage({
          ...SILENT,
          duties: [{ nonce, until: until(i), seq: i, receiptMs: 0, signed: false }],
        });
    },
  },
];

function freshEnvelope(source: ReturnType<typeof seededRandom>): Uint8Array {
  const nonce = randomNonce(source);
  return encodeEnvelope({ typeUrl: "type.googleapis.com/sim.Forged", value: new Uint8Array(200), nonce });
}

/** The nonce of the envelope that a payload message ends with: a varint, tagged 0x10. */
function lastNonce(message: Uint8Array): bigint {
  const at = message.lastIndexOf(0x10, message.length - 2);
  let nonce = 0n;
  for (let i = message.length - 1; i > at; i--) nonce = (nonce << 7n) | BigInt(message[i] & 0x7f);
  return nonce;
}

function hostile(attack: Attack): SimCase {
  return {
    name: `attack: ${attack.name}`,
    seeds: 5,
    quick: attack.count > 10_000 ? undefined : 1,
    bars: [
      { measure: "missed", of: "sum", most: 0 },
      { measure: "othersLastMs", of: "max", most: 1500 },
      { measure: "amplification", of: "max", most: 1 },
      ...(attack.borne ? [] : [{ measure: "banned", of: "least", least: 1 } as const]),
    ],
    async run(seed) {
      const counted = { in: 0, out: 0 };
      let counting = false;
      const tap = (from: SimHost, _to: SimHost, channel: number, _flags: number, body: Uint8Array) => {
        if (!counting || channel === 0) return; // credit is given for what was taken
        const position = cluster.positionOf(from.address);
        if (position === ATTACKER) counted.in += body.length + 4;
        // Whatever the victim says to anybody while it is attacked and nobody broadcasts.
        else if (position === VICTIM) counted.out += body.length + 4;
      };
      const cluster: SimCluster = await SimCluster.start({ nodes: NODES, seed, tap });
      const { clock, nodes } = cluster;
      const attacker = await Attacker.replace(cluster, ATTACKER, VICTIM);
      await clock.advance(1000);
      for (let from = 0; attacker.captured.length === 0 && from < NODES; from++) {
        if (from !== ATTACKER) cluster.broadcast(from);
        await clock.advance(1000);
      }
      await clock.advance(3000);
      const next = attack.build({ cluster, attacker });
      const channel = attack.channel === "raintree" ? attacker.payloads : attacker.control;
      const victim = nodes[VICTIM].key.address;
      counting = true;
      for (let sent = 0; sent < attack.count; sent++) {
        channel.trySend(victim, next(sent));
        if (sent % AT_ONCE === AT_ONCE - 1) await clock.advance(1);
      }
      await clock.advance(2000);
      counting = false;
      const status = nodes[VICTIM].module.explain(nodes[ATTACKER].key.address)?.status;
      const others = nodes.map((_, position) => position).filter((position) => position !== ATTACKER);
      const { from, arrivals, sentMs } = cluster.broadcast(0);
      await clock.advance(5000);
      const due = others.filter((position) => position !== from);
      return {
        missed: due.filter((position) => !arrivals.has(position)).length,
        othersLastMs: Math.max(...due.map((position) => (arrivals.get(position) ?? sentMs) - sentMs)),
        amplification: counted.out / Math.max(1, counted.in),
        banned: status === "banned" ? 1 : 0,
      };
    },
  };
}

/** A staked node turns on another. */
export const HOSTILE: readonly SimCase[] = ATTACKS.map(hostile);
