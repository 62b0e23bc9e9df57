import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { PeerStore } from "./peer_store.ts";

/** Limits and habits of a {@link PeerManager}. Every duration is in milliseconds. */
export interface PeerManagerOptions {
  /** Time. @default {systemClock} */
  clock?: Clock;
  /** Jitter. @default {systemRandom} */
  random?: Random;
  /** Where peers outlive the node; not closed by the manager. @default {a new MemoryPeerStore} */
  store?: PeerStore;
  /** Ready connections at most. Raising it costs memory and two routines each. @default {maxInbound + maxOutbound} */
  maxConnected?: number;
  /** Connections opened by peers at most. @default {125} */
  maxInbound?: number;
  /** Connections opened by this node at most. @default {125} */
  maxOutbound?: number;
  /** Connections beyond `maxConnected` while better peers take the place of worse ones. @default {4} */
  maxUpgrades?: number;
  /** Dials under way at most. Raising it connects faster and costs bursts of handshakes. @default {32} */
  maxDialing?: number;
  /** With fewer connections, peers that nobody wants are dialled too; with more, unused ones are closed. 0 connects only on demand. @default {8} */
  keepConnected?: number;
  /** Peers remembered at most, about 1 KiB each. @default {10000} */
  maxPeers?: number;
  /** The shortest wait before a peer is dialled again. @default {250} */
  minBackoffMs?: number;
  /** The longest wait for a peer that nobody wants. @default {1800000} */
  maxBackoffMs?: number;
  /** The longest wait for a persistent or wanted peer. @default {30000} */
  maxPinnedBackoffMs?: number;
  /** An unused connection that this node opened is closed after this time, if nobody wants it. @default {60000} */
  idleMs?: number;
  /** A connection that ended sooner counts as a failure: the next dial waits longer. @default {10000} */
  stableMs?: number;
  /** Connections dialled by both ends within this time were dialled at once; longer than dial and handshake may take. @default {30000} */
  simultaneousMs?: number;
  /** How long a peer is banned whose score fell to -100. @default {3600000} */
  banMs?: number;
}

/** The options with every default filled in. @throws {RangeError} if a value is out of range */
export function withDefaults(
  options: PeerManagerOptions,
): Required<Omit<PeerManagerOptions, "clock" | "random" | "store">> {
  const {
    maxInbound = 125,
    maxOutbound = 125,
    maxConnected = maxInbound + maxOutbound,
    maxUpgrades = 4,
    maxDialing = 32,
    keepConnected = Math.min(8, maxConnected),
    maxPeers = 10_000,
    minBackoffMs = 250,
    maxBackoffMs = 30 * 60_000,
    maxPinnedBackoffMs = 30_000,
    idleMs = 60_000,
    stableMs = 10_000,
    simultaneousMs = 30_000,
    banMs = 60 * 60_000,
  } = options;
  whole("maxInbound", maxInbound, 0);
  whole("maxOutbound", maxOutbound, 0);
  whole("maxConnected", maxConnected, 1);
  whole("maxUpgrades", maxUpgrades, 0);
  whole("maxDialing", maxDialing, 1);
  whole("keepConnected", keepConnected, 0, maxConnected);
  whole("maxPeers", maxPeers, maxConnected + maxUpgrades);
  atLeast("minBackoffMs", minBackoffMs, 1);
  atLeast("maxBackoffMs", maxBackoffMs, minBackoffMs);
  atLeast("maxPinnedBackoffMs", maxPinnedBackoffMs, minBackoffMs);
  atLeast("idleMs", idleMs, 1);
  atLeast("stableMs", stableMs, 0);
  atLeast("simultaneousMs", simultaneousMs, 0);
  atLeast("banMs", banMs, 1);
  return {
    maxInbound,
    maxOutbound,
    maxConnected,
    maxUpgrades,
    maxDialing,
    keepConnected,
    maxPeers,
    minBackoffMs,
    maxBackoffMs,
    maxPinnedBackoffMs,
    idleMs,
    stableMs,
    simultaneousMs,
    banMs,
  };
}

function whole(name: string, value: number, min: number, max = Infinity): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const wanted = max === Infinity ? `at least ${min}` : `from ${min} to ${max}`;
  throw new RangeError(`Cannot use ${name} ${value}: it must be a whole number ${wanted}`);
}

function atLeast(name: string, value: number, min: number): void {
  if (!(value >= min)) throw new RangeError(`Cannot use ${name} ${value}: it must be at least ${min} ms`);
}
