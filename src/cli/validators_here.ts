import { abortable, type Clock, deadline, systemClock } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { parseNodeAddress } from "../identity/node_address.ts";
import { type Content, LocalBus } from "../module/bus.ts";
import { P2PModule } from "../module/p2p_module.ts";
import { StaticProvider } from "../peer/static_provider.ts";
import { classicOffsets, exactOffsets, type TreeMode } from "../raintree/tree.ts";
import { LOOPBACK } from "./loopback.ts";
import { Payload } from "./payload.ts";
import type {
  GroupEvents,
  GroupSetup,
  GroupStop,
  MissingPeer,
  Traffic,
  ValidatorGroup,
  ValidatorLook,
} from "./validator_group.ts";

const PROBE: Content = { typeUrl: "type.googleapis.com/raintree.Probe", value: new Uint8Array() };

/** Validators in this thread, on real TCP sockets on 127.0.0.1, each at a port that the system chose. */
export class ValidatorsHere implements ValidatorGroup {
  /** Where they stand in the ring. */
  readonly positions: readonly number[];
  /** The validators, in the order of {@link positions}. */
  readonly nodes: readonly P2PModule[];
  readonly #mode: TreeMode;
  readonly #clock: Clock;
  readonly #events: GroupEvents;
  readonly #payload: Payload;
  readonly #chain = new StaticProvider([]);
  /** Of everyone in the ring, by position. */
  #addresses: string[] = [];
  #settled = 0;
  #starting: Promise<void> = Promise.resolve();
  #stopping = false;

  /** Opens nothing yet. */
  constructor(setup: GroupSetup, events: GroupEvents, clock: Clock = systemClock) {
    const { members, mode, repair, payloadBytes } = setup;
    this.positions = members.map(({ position }) => position);
    this.#mode = mode;
    this.#clock = clock;
    this.#events = events;
    this.#payload = new Payload(payloadBytes);
    this.nodes = members.map(({ position, key }) => {
      const bus = new LocalBus();
      bus.subscribe((event) => {
        if (event.type !== "message") return;
        this.#events.delivered(position, this.#payload.numberOf(event.content.value));
      });
      return P2PModule.create(
        { private_key: key, listen_host: LOOPBACK, port: 0, mode, repair },
        { peerstore: this.#chain, heights: this.#chain, bus, clock, strict: true },
      );
    });
  }

  /** Opens them, one after the other. @throws what `P2PModule.start` throws, the signal's reason; {@link stop} closes what is open then. */
  async start(signal: AbortSignal): Promise<string[]> {
    this.#starting = this.#start(signal);
    await this.#starting;
    return this.nodes.map((node) => node.url);
  }

  /** Tells them who is in the ring. */
  async stake(urls: readonly string[]): Promise<void> {
    const staked = urls.map((url) => {
      const nodeAddress = parseNodeAddress(url);
      return { address: nodeAddress.id, nodeAddress, stake: 1n };
    });
    this.#addresses = staked.map(({ address }) => address);
    this.#chain.set(1, staked);
    this.#chain.setHeight(1);
    await Promise.all(this.nodes.map((node) => node.handleEvent({ type: "ConsensusNewHeightEvent", height: 1 })));
  }

  /** How many have all their connections, from the first on: connections dialled from both ends have become one. */
  settled(): number {
    while (this.#settled < this.nodes.length && this.#isSettled(this.#settled)) this.#settled++;
    if (this.#settled === this.nodes.length) {
      // One that was ready may have lost a connection while we looked at the others.
      const lost = this.nodes.findIndex((_, index) => !this.#isSettled(index));
      if (lost >= 0) this.#settled = lost;
    }
    return this.#settled;
  }

  /** Makes a broadcast. */
  async broadcast(position: number, number: number): Promise<void> {
    await this.nodes[this.positions.indexOf(position)].broadcast(this.#payload.of(number));
  }

  /** Messages read and written so far. */
  traffic(): Traffic {
    let reads = 0;
    let writes = 0;
    for (const node of this.nodes) {
      if (!node.started) continue;
      reads += node.raintree.reads;
      writes += node.raintree.writes;
    }
    return { reads, writes };
  }

  /** Asks all targets of each. @throws what a request fails with */
  async probe(): Promise<void> {
    const n = this.#addresses.length;
    const offsets = offsetsOf(this.#mode, n);
    await Promise.all(
      this.nodes.flatMap((node, index) =>
        offsets.map((offset) => node.request(this.#addresses[(this.positions[index] + offset) % n], PROBE))
      ),
    );
  }

  /** Looks at each. */
  look(): ValidatorLook[] {
    return this.nodes.map((node, index) => {
      const position = this.positions[index];
      const expectedPeers = this.#peersOf(position).size;
      const { reads, writes, rejected } = node.started ? node.raintree : { reads: 0, writes: 0, rejected: 0 };
      const dropped = node.started ? node.router.drops().reduce((sum, { count }) => sum + count, 0) : 0;
      const peers = node.started ? node.router.connected.length : 0;
      const missing = this.#missing(index);
      return {
        position,
        reads,
        writes,
        rejected,
        dropped,
        peers,
        expectedPeers,
        missing,
        routines: node.routines.count,
      };
    });
  }

  /** Stops each. */
  async stop(withinMs: number): Promise<GroupStop> {
    using limit = deadline(this.#clock, withinMs, "Stopping the network");
    this.#stopping = true;
    await this.#starting.catch(asError); // told to whoever started
    const running = this.nodes.filter((node) => node.started);
    const results = await Promise.allSettled(running.map((node) => abortable(node.stop(), limit.signal)));
    const errors = results.flatMap((result) => result.status === "rejected" ? [asError(result.reason).message] : []);
    return { routines: this.nodes.reduce((sum, node) => sum + node.routines.count, 0), errors };
  }

  async #start(signal: AbortSignal): Promise<void> {
    for (const node of this.nodes) {
      signal.throwIfAborted();
      if (this.#stopping) throw new P2pError("module_stopped", "The validators were stopped while they started");
      await node.start();
      node.onRequest((content) => content);
      this.#events.started();
    }
  }

  /** Whether one runs, is connected with its peers and nobody else, and runs no routine beyond that. */
  #isSettled(index: number): boolean {
    const node = this.nodes[index];
    const wanted = this.#peersOf(this.positions[index]);
    if (!node.started || node.routines.count !== 2 * wanted.size + 1) return false;
    const { router } = node;
    if (router.connected.length !== wanted.size) return false;
    for (const peer of wanted) if (router.socket(this.#addresses[peer]) === undefined) return false;
    return true;
  }

  /** Peers that one is to be connected with and is not. */
  #missing(index: number): MissingPeer[] {
    const node = this.nodes[index];
    return [...this.#peersOf(this.positions[index])].flatMap((position) => {
      if (!node.started) return [{ position }];
      const address = this.#addresses[position];
      if (node.router.socket(address) !== undefined) return [];
      const failed = node.explain(address)?.endpoints.find(({ lastError }) => lastError !== undefined);
      return [{ position, lastError: failed?.lastError }];
    });
  }

  /** Positions that the node at `position` is to be connected with: its tree targets, and those whose target it is. */
  #peersOf(position: number): Set<number> {
    const n = this.#addresses.length;
    return new Set(
      offsetsOf(this.#mode, n).flatMap((offset) => [(position + offset) % n, (position - offset + n) % n]),
    );
  }
}

/** The ring offsets to which a node sends, whoever broadcasts. */
export function offsetsOf(mode: TreeMode, n: number): number[] {
  return mode === "exact" ? exactOffsets(n) : classicOffsets(n);
}
