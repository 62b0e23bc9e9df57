import type { Random } from "../base/random.ts";

/** What the way from one node to another does to what travels on it. */
export interface LinkProfile {
  /** One-way delay, milliseconds. */
  readonly latencyMs: number;
  /** The delay varies by as much around it, evenly; at most `latencyMs`. */
  readonly jitterMs: number;
  /**
   * Share of packets lost, 0 to 0.5. A connection is a stream: nothing is missing at the other end, it comes later, after a retransmission, and
   * whatever follows waits for it.
   */
  readonly loss: number;
  /** Bytes a second, per connection. */
  readonly bytesPerSecond: number;
  /**
   * Share of messages of channels that vanish, 0 to 0.5, as if the peer's process had taken and lost them: its credit is given back. TCP does
   * not do this; a protocol that must survive it survives what lies between a socket and the disk.
   */
  readonly messageLoss: number;
  /** Share of messages of channels that arrive twice, 0 to 0.5; only those that fit into one frame. */
  readonly duplicates: number;
}

/** An instant, perfect way. */
export const PERFECT_LINK: LinkProfile = {
  latencyMs: 0,
  jitterMs: 0,
  loss: 0,
  bytesPerSecond: Infinity,
  messageLoss: 0,
  duplicates: 0,
};

/** The most that may be lost or doubled: credit comes back only with what arrives. */
const SHARE_MAX = 0.5;

/** Fills in what is missing and checks the rest. @throws {RangeError} */
export function linkProfile(given: Partial<LinkProfile>): LinkProfile {
  const profile = { ...PERFECT_LINK, ...given };
  const { latencyMs, jitterMs, bytesPerSecond } = profile;
  if (!(latencyMs >= 0 && latencyMs < Infinity)) throw outOfRange("latencyMs", latencyMs, "0 or more");
  if (!(jitterMs >= 0 && jitterMs <= latencyMs)) throw outOfRange("jitterMs", jitterMs, `0 to latencyMs, ${latencyMs}`);
  if (!(bytesPerSecond > 0)) throw outOfRange("bytesPerSecond", bytesPerSecond, "more than 0");
  for (const name of ["loss", "messageLoss", "duplicates"] as const) {
    if (!(profile[name] >= 0 && profile[name] <= SHARE_MAX)) throw outOfRange(name, profile[name], `0 to ${SHARE_MAX}`);
  }
  return profile;
}

/** Whether messages of channels may be lost or doubled on such a way. */
export function losesMessages({ messageLoss, duplicates }: LinkProfile): boolean {
  return messageLoss + duplicates > 0;
}

function outOfRange(name: string, value: number, wanted: string): RangeError {
  return new RangeError(`Link has ${name} ${value}, wanted ${wanted}`);
}

/** One delay of the profile, milliseconds. */
export function drawLatency({ latencyMs, jitterMs }: LinkProfile, random: Random): number {
  return jitterMs === 0 ? latencyMs : latencyMs + (2 * random.next() - 1) * jitterMs;
}

/** Payload of a packet, as Ethernet has it. */
const PACKET_BYTES = 1460;

/** The least that a sender waits for an acknowledgement before it sends again (RFC 6298 says a second, kernels say this). */
const RETRANSMIT_MIN_MS = 200;

/** What a sender waits before it sends again for the first time; twice as long each time after. */
export function retransmitMs({ latencyMs, jitterMs }: LinkProfile): number {
  return Math.max(RETRANSMIT_MIN_MS, 4 * (latencyMs + jitterMs));
}

/** How much later `bytes` arrive because packets of them were lost; 0 mostly. */
export function drawRetransmission(profile: LinkProfile, bytes: number, random: Random): number {
  if (profile.loss === 0) return 0;
  let share = 1 - (1 - profile.loss) ** Math.ceil(bytes / PACKET_BYTES);
  let waitMs = retransmitMs(profile);
  let lateMs = 0;
  while (random.next() < share) {
    lateMs += waitMs;
    waitMs *= 2;
    share = profile.loss; // what is sent again is the packet that was lost
  }
  return lateMs;
}
