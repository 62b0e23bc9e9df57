import type { Clock } from "../base/clock.ts";
import { P2pError } from "../base/errors.ts";
import { type Random, seededRandom } from "../base/random.ts";
import { ByteWriter } from "../codec/byte_writer.ts";
import { FrameDecoder } from "../codec/frame.ts";
import type { Address } from "../identity/address.ts";
import type { ProvenIdentity } from "../transport/frame_link.ts";
import { drawLatency, type LinkProfile, linkProfile, losesMessages } from "./link_profile.ts";
import { type ClockSkew, SimHost } from "./sim_host.ts";
import type { SimEnd, SimLink } from "./sim_link.ts";
import { SimDial } from "./sim_dial.ts";
import { SimTrace, TraceKind } from "./sim_trace.ts";

/** Options of a {@link SimNetwork}. */
export interface SimNetworkOptions {
  /** What everything random follows from, an unsigned 32-bit integer. @default {1} */
  seed?: number;
  /** What every link is like, or each by its two ends, asked once for each direction. @default {instant and perfect} */
  link?: Partial<LinkProfile> | ((from: Address, to: Address) => Partial<LinkProfile>);
  /** Sees each frame that leaves a node, before any fault. @default {nobody looks} */
  tap?: Tap;
}

/**
 * Sees one frame on its way from a node to another: its channel, its flags (1: the message goes on in the next frame) and its body, which is a view that
 * lives as long as the call.
 */
export type Tap = (from: SimHost, to: SimHost, channel: number, flags: number, body: Uint8Array) => void;

/** What a {@link SimNetwork} counts. */
export interface SimStats {
  /** Dials that reached a node. */
  dials: number;
  /** Dials refused: nobody listened there. */
  refused: number;
  /** Batches of bytes that arrived. */
  chunks: number;
  /** Bytes that arrived. */
  bytes: number;
  /** Batches that came late because a packet was lost. */
  retransmissions: number;
  /** Connections that broke. */
  resets: number;
  /** Messages that vanished. */
  messagesLost: number;
  /** Messages that came twice. */
  messagesDuplicated: number;
}

/** What was done to a node, or to the network, as the trace has it. */
const Happened = {
  healed: 0,
  paused: 1,
  resumed: 2,
  slowed: 3,
  crashedSilent: 4,
  crashedLoud: 5,
  muted: 6,
  cut: 7,
} as const;

/** A place of a {@link SimNetwork} that may be dialled. */
export interface SimPlace {
  /** What its ends of connections are made of. */
  readonly end: SimEnd;
  /** Called with each inbound end. */
  accept(link: SimLink): void;
}

/**
 * A network in one process whose time, faults and randomness are the test's: production code runs on it as it is, one seed replays a run byte
 * for byte, and the {@link trace} proves it.
 *
 * Links have latency, jitter, loss, bandwidth, lost and doubled messages ({@link LinkProfile}); connections are independent, so what is sent
 * on two of them may arrive in either order. Nodes can be paused, slowed, crashed and started again, the network cut in parts.
 *
 * @example
 * ```ts
 * import { NodeKey, P2PModule, StaticProvider } from "@raintree/p2p";
 * import { SimNetwork, VirtualClock } from "@raintree/p2p/testing";
 *
 * const clock = new VirtualClock();
 * const network = new SimNetwork(clock, { seed: 7, link: { latencyMs: 50, jitterMs: 20 } });
 * const key = NodeKey.generate();
 * const { clock: itsClock, random, transport } = network.host(key);
 * const node = P2PModule.create(
 *   { private_key: key, connection_type: "memory" },
 *   { peerstore: new StaticProvider([]), clock: itsClock, random, transport },
 * );
 * await node.start();
 * await clock.advance(1000);
 * await node.stop();
 * ```
 */
export class SimNetwork {
  /** The network's own time, which no node's skew touches. */
  readonly clock: Clock;
  /** Randomness of the network: delays and losses. */
  readonly random: Random;
  /** Everything that happened. */
  readonly trace: SimTrace = new SimTrace();
  /** Counters. */
  readonly stats: SimStats = {
    dials: 0,
    refused: 0,
    chunks: 0,
    bytes: 0,
    retransmissions: 0,
    resets: 0,
    messagesLost: 0,
    messagesDuplicated: 0,
  };
  /** For links: what a turn is written to. */
  readonly scratch: ByteWriter = new ByteWriter();
  readonly #seed: number;
  readonly #same: LinkProfile | undefined;
  readonly #profileOf: (from: Address, to: Address) => LinkProfile;
  readonly #profiles = new Map<string, LinkProfile>();
  readonly #hosts = new Map<Address, SimHost>();
  readonly #places = new Map<string, SimPlace>();
  readonly #groups = new Map<Address, number>();
  #hostsMade = 0;
  #turns: SimLink[] = [];
  readonly #tap: ((from: SimHost, to: SimHost, frames: Uint8Array) => void) | undefined;

  /** A network without nodes. @throws {RangeError} for a link that cannot be */
  constructor(clock: Clock, options: SimNetworkOptions = {}) {
    const { seed = 1, link = {}, tap } = options;
    this.#tap = tap === undefined ? undefined : tapFrames(tap);
    this.clock = clock;
    this.#seed = seed;
    this.random = seededRandom(seed);
    this.#same = typeof link === "function" ? undefined : linkProfile(link);
    this.#profileOf = (from, to) => typeof link === "function" ? linkProfile(link(from, to)) : this.#same!;
  }

  /** A machine for the node of that key; for one that crashed the next. @throws {P2pError} `sim_host_taken` while it lives. */
  host(identity: ProvenIdentity, skew: ClockSkew = {}): SimHost {
    const { address } = identity;
    const old = this.#hosts.get(address);
    if (old !== undefined && old.crashed === undefined) {
      throw new P2pError("sim_host_taken", `Node ${address} runs already`, { hint: "Crash it first" });
    }
    const number = this.#hostsMade++;
    const random = seededRandom(mix(this.#seed, `${number} ${address}`));
    const host = new SimHost(this, identity, number, random, skew);
    this.#hosts.set(address, host);
    return host;
  }

  /** The machine of a node as it is now. @throws {P2pError} `sim_host_unknown` */
  hostOf(address: Address): SimHost {
    const host = this.#hosts.get(address);
    if (host !== undefined) return host;
    throw new P2pError("sim_host_unknown", `No node ${address} on this network`);
  }

  /** Cuts the network: nodes of different groups do not reach each other; those of no group are one more. Replaces the cut before. */
  partition(groups: Iterable<Iterable<Address>>): void {
    this.#groups.clear();
    let number = 0;
    for (const group of groups) {
      number++;
      for (const address of group) this.#groups.set(address, number);
    }
    this.#note(number, Happened.cut);
  }

  /** Undoes the cut. What waited arrives when its sender tries again. */
  heal(): void {
    this.#groups.clear();
    this.#note(0, Happened.healed);
  }

  /** Stops a node's code, as SIGSTOP does. */
  pause(address: Address): void {
    const host = this.hostOf(address);
    host.pause();
    this.#note(host.number, Happened.paused);
  }

  /** Lets a paused node go on. */
  resume(address: Address): void {
    const host = this.hostOf(address);
    host.resume();
    this.#note(host.number, Happened.resumed);
  }

  /** Adds to every delay from and to a node, milliseconds; 0 ends it. */
  slow(address: Address, ms: number): void {
    const host = this.hostOf(address);
    host.slowMs = ms;
    this.#note(host.number, Happened.slowed);
  }

  /**
   * Makes a node a liar: of what it sends on a channel nothing arrives, though it is told otherwise, while all it says on others does. To be called before
   * it has connections.
   *
   * @throws {P2pError} `sim_mute_late`
   */
  mute(address: Address, channel: number): void {
    const host = this.hostOf(address);
    if ([...host.links].some((link) => !link.faulty)) {
      throw new P2pError("sim_mute_late", `Node ${address} has connections already, which lose nothing`, {
        hint: "Mute it before it starts",
      });
    }
    host.muted.add(channel);
    this.#note(host.number, Happened.muted);
  }

  /**
   * Ends a node at once: nothing of it runs any more, and a module on it need not be stopped (it could not). Peers learn of it from the
   * machine's kernel, unless `silent`: the machine is off, they hear nothing. {@link host} starts the node again.
   */
  crash(address: Address, options: { silent?: boolean } = {}): void {
    const { silent = false } = options;
    const host = this.hostOf(address);
    host.crash(silent ? "silent" : "loud");
    this.#note(host.number, silent ? Happened.crashedSilent : Happened.crashedLoud);
    for (const link of host.links) {
      link.abandon();
      if (silent) continue;
      const { peer } = link;
      this.clock.after(this.latency(host, peer.host), () => peer.host.run(() => peer.break("Peer's process is gone")));
    }
    host.links.clear();
    if (!silent) { for (const [path, { end }] of this.#places) if (end.host === host) this.#places.delete(path); }
  }

  /** What the way between two nodes is like. */
  profile(from: SimHost, to: SimHost): LinkProfile {
    if (this.#same !== undefined) return this.#same;
    const pair = `${from.address} ${to.address}`;
    let profile = this.#profiles.get(pair);
    if (profile === undefined) this.#profiles.set(pair, profile = this.#profileOf(from.address, to.address));
    return profile;
  }

  /** One delay between two nodes, milliseconds. */
  latency(from: SimHost, to: SimHost): number {
    return drawLatency(this.profile(from, to), this.random) + from.slowMs + to.slowMs;
  }

  /** Whether a cut lies between two nodes. */
  separated(from: SimHost, to: SimHost): boolean {
    return this.#groups.size > 0 && this.#groups.get(from.address) !== this.#groups.get(to.address);
  }

  /**
   * For links: whether messages may be lost or doubled between two nodes.
   *
   * @internal
   */
  losesMessages(a: SimHost, b: SimHost): boolean {
    if (a.muted.size + b.muted.size > 0) return true;
    return losesMessages(this.profile(a, b)) || losesMessages(this.profile(b, a));
  }

  /**
   * For links: whole frames leave a node.
   *
   * @internal
   */
  tapped(from: SimHost, to: SimHost, frames: Uint8Array): void {
    this.#tap?.(from, to, frames);
  }

  /**
   * For pipes: whether a machine that crashed can answer again.
   *
   * @internal
   */
  revived(host: SimHost): boolean {
    return host.crashed === "loud" || this.#hosts.get(host.address)?.crashed === undefined;
  }

  /**
   * For links: a turn once what runs now has run; one microtask however many ask.
   *
   * @internal
   */
  queueTurn(link: SimLink): void {
    if (this.#turns.push(link) > 1) return;
    queueMicrotask(() => {
      const turns = this.#turns;
      this.#turns = [];
      for (const each of turns) each.turn();
    });
  }

  /**
   * For transports: opens a place.
   *
   * @internal
   * @throws {P2pError} `port_in_use`
   */
  open(path: string, place: SimPlace): void {
    const taken = this.#places.get(path);
    if (taken !== undefined && taken.end.host.crashed === undefined) {
      throw new P2pError("port_in_use", `Memory endpoint "${path}" has a listener already`);
    }
    this.#places.set(path, place);
  }

  /**
   * For transports: closes a place.
   *
   * @internal
   */
  close(path: string, host: SimHost): void {
    if (this.#places.get(path)?.end.host === host) this.#places.delete(path);
  }

  /**
   * For dials: who listens at a place.
   *
   * @internal
   */
  place(path: string): SimPlace | undefined {
    return this.#places.get(path);
  }

  /**
   * For transports: connects to a place.
   *
   * @internal
   * @throws {P2pError} `dial_refused`; the signal's reason
   */
  connect(own: SimEnd, path: string, signal?: AbortSignal): Promise<SimLink> {
    return new SimDial(this, own, path).run(signal);
  }

  /** `subject`: number of a node, or of the parts that the network is in. */
  #note(subject: number, what: typeof Happened[keyof typeof Happened]): void {
    this.trace.add(TraceKind.fault, this.clock.now(), subject, what);
  }
}

/** Cuts what leaves into frames, one decoder for all: none is ever cut in two. */
function tapFrames(tap: Tap): (from: SimHost, to: SimHost, frames: Uint8Array) => void {
  let ends: [from: SimHost, to: SimHost];
  const decoder = new FrameDecoder((channel, flags, body) => tap(...ends, channel, flags, body));
  return (from, to, frames) => {
    ends = [from, to];
    decoder.push(frames);
  };
}

/** Another seed for each name (FNV-1a over the seed and the text). */
function mix(seed: number, text: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
