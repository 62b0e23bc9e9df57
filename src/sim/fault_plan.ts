import { below, type Random } from "../base/random.ts";
import type { Address } from "../identity/address.ts";
import type { LinkProfile } from "./link_profile.ts";
import type { SimNetwork } from "./sim_network.ts";

/** Something that goes wrong at a time (milliseconds after the plan begins), and for how long. Plain data: it prints, and a test may edit it. */
export type Fault =
  | { readonly kind: "pause"; readonly atMs: number; readonly forMs: number; readonly node: Address }
  | {
    readonly kind: "slow";
    readonly atMs: number;
    readonly forMs: number;
    readonly node: Address;
    readonly byMs: number;
  }
  | { readonly kind: "partition"; readonly atMs: number; readonly forMs: number; readonly group: readonly Address[] }
  | {
    readonly kind: "crash";
    readonly atMs: number;
    /** After which it is started again; absent for never. */
    readonly forMs?: number;
    readonly node: Address;
    readonly silent: boolean;
  };

/** What a kind of fault is called. */
export type FaultKind = Fault["kind"];

/** Options of {@link drawFaults}. */
export interface DrawFaultsOptions {
  /** Faults begin and end within this time, milliseconds. @default {30000} */
  withinMs?: number;
  /** How many at most of each kind that is drawn. @default {3} */
  most?: number;
  /** Nodes that are not paused, slowed or crashed; partitions cut them off like all others. @default {none} */
  spare?: Iterable<Address>;
  /** Kinds to draw from. @default {all} */
  kinds?: readonly FaultKind[];
}

/** Every kind there is, in the order in which they are drawn; the compiler asks for each. */
const ALL_KINDS: Readonly<Record<FaultKind, true>> = { pause: true, slow: true, partition: true, crash: true };
const KINDS = Object.keys(ALL_KINDS) as FaultKind[];

/** The most that a slow node adds to a delay, milliseconds. */
const SLOW_MS_MAX = 500;

/**
 * A plan of faults drawn from `random`. Each kind is left out of half of all plans (swarm testing: what only shows when something else does not
 * happen is found too). A node has one fault at a time, partitions do not overlap, in order of time.
 */
export function drawFaults(random: Random, nodes: readonly Address[], options: DrawFaultsOptions = {}): Fault[] {
  const { withinMs = 30_000, most = 3, spare = [], kinds = KINDS } = options;
  const spared = new Set(spare);
  const free = nodes.filter((node) => !spared.has(node));
  const faults: Fault[] = [];
  for (const kind of kinds) {
    if (random.next() < 0.5) continue;
    const count = 1 + below(random, most);
    for (let i = 0; i < count; i++) {
      // Partitions take turns: one in each part of the time.
      const [from, length] = kind === "partition" ? [i * withinMs / count, withinMs / count] : [0, withinMs];
      const atMs = Math.round(from + random.next() * length / 2);
      const forMs = Math.round(random.next() * length / 2);
      if (kind === "partition") {
        const group = nodes.filter(() => random.next() < 0.5);
        faults.push({ kind, atMs, forMs, group });
        continue;
      }
      if (free.length === 0) break;
      const [node] = free.splice(below(random, free.length), 1);
      if (kind === "crash") {
        const back = random.next() < 0.5 ? { forMs } : {};
        faults.push({ kind, atMs, ...back, node, silent: random.next() < 0.5 });
      } else if (kind === "slow") {
        faults.push({ kind, atMs, forMs, node, byMs: Math.ceil(random.next() * SLOW_MS_MAX) });
      } else faults.push({ kind, atMs, forMs, node });
    }
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

/** What drawn links may be like. */
const LINK_MAX = { latencyMs: 200, loss: 0.05, bytesPerSecond: 10_000_000, duplicates: 0.05 };

/** A link drawn from `random`: each property is left perfect in half of all draws. Lost messages are left to the test: not every protocol bears them. */
export function drawLink(random: Random): Partial<LinkProfile> {
  const maybe = <T>(value: T, otherwise: T) => random.next() < 0.5 ? value : otherwise;
  const latencyMs = maybe(random.next() * LINK_MAX.latencyMs, 1);
  return {
    latencyMs,
    jitterMs: maybe(random.next() * latencyMs, 0),
    loss: maybe(random.next() * LINK_MAX.loss, 0),
    bytesPerSecond: maybe(LINK_MAX.bytesPerSecond * (0.01 + random.next()), Infinity),
    duplicates: maybe(random.next() * LINK_MAX.duplicates, 0),
  };
}

/**
 * Has a plan happen on a network, from now on by its clock. `restart` makes a node again that has crashed: it asks the network for a new
 * {@link SimNetwork.host}.
 */
export function scheduleFaults(network: SimNetwork, plan: readonly Fault[], restart: (node: Address) => void): void {
  const between = (fault: Fault, begin: () => void, end: () => void) => {
    network.clock.after(fault.atMs, begin);
    if (fault.forMs !== undefined) network.clock.after(fault.atMs + fault.forMs, end);
  };
  for (const fault of plan) {
    switch (fault.kind) {
      case "pause":
        between(fault, () => network.pause(fault.node), () => network.resume(fault.node));
        break;
      case "slow":
        between(fault, () => network.slow(fault.node, fault.byMs), () => network.slow(fault.node, 0));
        break;
      case "partition":
        between(fault, () => network.partition([fault.group]), () => network.heal());
        break;
      case "crash":
        between(fault, () => network.crash(fault.node, { silent: fault.silent }), () => restart(fault.node));
        break;
      default:
        fault satisfies never; // every kind happens
    }
  }
}
