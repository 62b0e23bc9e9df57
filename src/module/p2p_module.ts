import { systemClock } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { systemRandom } from "../base/random.ts";
import { Routines } from "../base/routines.ts";
import { type Address, parseAddress } from "../identity/address.ts";
import { formatNodeAddress, type NodeAddress } from "../identity/node_address.ts";
import type { PeerCounts } from "../peer/decisions.ts";
import type { PeerExplanation } from "../peer/explain.ts";
import type { StakedPeer } from "../peer/staked_peer.ts";
import type { PeerState } from "../raintree/failure_detector.ts";
import type { RainTreeStats } from "../raintree/raintree_router.ts";
import type { ReceiptOutcome } from "../raintree/receipts.ts";
import type { ReliabilityStats } from "../raintree/reliability.ts";
import type { Ring } from "../raintree/ring.ts";
import type { TreeMode } from "../raintree/tree.ts";
import type { Router } from "../router/router.ts";
import { type Bus, type Content, LocalBus, type P2PEvent } from "./bus.ts";
import type { P2PConfig, P2PConfigInput } from "./config.ts";
import type { NodeEvent } from "./events.ts";
import { parseConfig } from "./load_config.ts";
import type {
  MessageOptions,
  P2PModuleOptions,
  P2PModuleParts,
  ReceiptRequest,
  StartOptions,
} from "./p2p_module_options.ts";
import type { RequestHandler, RequestOptions } from "./requests.ts";
import { RunningNode } from "./running_node.ts";
import { countReceipt, newTelemetry, type Telemetry } from "./telemetry.ts";

export type { MessageOptions, P2PModuleOptions, P2PModuleParts, ReceiptRequest, StartOptions };

const RECEIPT_MS = 5_000;
const RECEIPT_MS_MAX = 60_000;

/**
 * The peer-to-peer module of a node: broadcasts to every staked peer along the RainTree, sends to one, asks one, and publishes what it receives
 * on the bus, once each. (Pocket's P2P module README.)
 *
 * @example
 * ```ts
 * import { NodeKey, P2PModule, StaticProvider } from "@raintree/p2p";
 * import { MemoryNetwork } from "@raintree/p2p/testing";
 *
 * const key = NodeKey.generate();
 * const nodeAddress = { protocol: "memory", id: key.address };
 * const peerstore = new StaticProvider([{ address: key.address, nodeAddress, stake: 1n }]);
 * await using node = P2PModule.create({ private_key: key, connection_type: "memory" }, { peerstore, memory: new MemoryNetwork() });
 * await node.start();
 * node.subscribe((event) => console.log(event.type));
 * await node.broadcast({ typeUrl: "type.googleapis.com/shared.Text", value: new TextEncoder().encode("block 7") });
 * ```
 */
export class P2PModule implements AsyncDisposable {
  /** Counters under the names of Pocket's dashboards. They outlive a restart of the module. */
  readonly telemetry: Telemetry = newTelemetry();
  /** The long-running loops of the node: with 5 peers 11, one listening, five reading, five writing. */
  readonly routines: Routines = new Routines();
  readonly #config: P2PConfig;
  readonly #parts: P2PModuleParts;
  #requestHandler: RequestHandler | undefined;
  #node: RunningNode | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Aborted by a stop, so that a start under way or waiting ends; then made anew. */
  #starting = new AbortController();
  /** Starts under way and waiting. */
  #starts = 0;

  private constructor(config: P2PConfig, parts: P2PModuleParts) {
    this.#config = config;
    this.#parts = parts;
  }

  /**
   * Checks the configuration, all of it, one from `loadConfig` as well as one made by hand. Opens nothing yet, and reads no key file.
   *
   * @throws {ConfigError} `config_invalid` with every wrong field.
   */
  static create(config: P2PConfigInput, options: P2PModuleOptions = {}): P2PModule {
    const {
      bus = new LocalBus(),
      fetch = globalThis.fetch,
      clock = systemClock,
      random = systemRandom,
      strict = false,
    } = options;
    return new P2PModule(parseConfig(config), { ...options, bus, fetch, clock, random, strict });
  }

  /** Who this node is. */
  get address(): Address {
    return this.#config.private_key.address;
  }

  /** Where this node may be dialled; once it has started. @throws {P2pError} `module_not_started`, `module_client_only` */
  get nodeAddress(): NodeAddress {
    return this.#running.nodeAddress;
  }

  /** {@link nodeAddress} as a URL: `tcp://address@host:port`. */
  get url(): string {
    return formatNodeAddress(this.nodeAddress);
  }

  /** Where events go. */
  get bus(): Bus {
    return this.#parts.bus;
  }

  /**
   * Calls `subscriber` with each event from now on, also after a restart; the returned function ends that. It is called in the middle of work:
   * do little, or queue.
   *
   * @throws {P2pError} `bus_injected` if the application brought a bus of its own, other than a LocalBus.
   */
  subscribe(subscriber: (event: P2PEvent) => void): () => void {
    const { bus } = this.#parts;
    if (bus instanceof LocalBus) return bus.subscribe(subscriber);
    throw new P2pError(
      "bus_injected",
      "P2P module publishes to the bus that was injected, which takes no subscribers",
      {
        hint: "Subscribe to your own bus, or leave the option bus out",
      },
    );
  }

  /** Whether the module is started. */
  get started(): boolean {
    return this.#node !== undefined;
  }

  /** The router under it, for channels of the application's own and for what is connected. @throws {P2pError} `module_not_started` */
  get router(): Router {
    return this.#running.router;
  }

  /** The staked peers as this node sees them. @throws {P2pError} `module_not_started` */
  get ring(): Ring {
    return this.#running.raintree.ring;
  }

  /** Whether this node is staked at the current height. @throws {P2pError} `module_not_started` */
  get staked(): boolean {
    return this.ring.has(this.address);
  }

  /** What RainTree read and wrote since the start. @throws {P2pError} `module_not_started` */
  get raintree(): Readonly<RainTreeStats> {
    return this.#running.raintree.stats;
  }

  /** What the layers on the bare tree did since the start. @throws {P2pError} `module_not_started` */
  get reliability(): Readonly<ReliabilityStats> {
    return this.#running.raintree.reliability!.stats;
  }

  /** Chain ID. */
  get network(): string {
    return this.#config.network;
  }

  /** Whether this node accepts connections once it has started; a client does not. */
  get listens(): boolean {
    return !this.#config.is_client_only;
  }

  /** How broadcasts of this node spread. */
  get mode(): TreeMode {
    return this.#config.mode;
  }

  /** The staked peers with what the chain says of them, in ring order. @throws {P2pError} `module_not_started` */
  get stakedPeers(): readonly StakedPeer[] {
    return this.#running.staked;
  }

  /** Whom this node's tree sends to, whoever broadcasts; nobody where it is not staked. @throws {P2pError} `module_not_started` */
  get targets(): Address[] {
    return this.#running.raintree.targets();
  }

  /** What the failure detector holds of a peer. @throws {P2pError} `module_not_started` */
  stateOf(peer: Address): PeerState {
    return this.#running.raintree.reliability!.stateOf(peer);
  }

  /** Numbers of peers and of what happened to them. @throws {P2pError} `module_not_started` */
  get peerCounts(): PeerCounts {
    return this.#running.peers.counts();
  }

  /** Who is known, connected or not, in no order. @throws {P2pError} `module_not_started` */
  *knownPeers(): Generator<Address, void, void> {
    for (const { id } of this.#running.peers.records()) yield id;
  }

  /** Why this node knows nobody to begin with, although bootstrap nodes are configured; `undefined` while it is no concern. @throws {P2pError} `module_not_started` */
  get unbootstrapped(): string | undefined {
    return this.#running.unbootstrapped;
  }

  /** Why a peer is treated as it is; `undefined` if unknown. @throws {P2pError} `module_not_started` */
  explain(peer: Address): PeerExplanation | undefined {
    return this.#running.peers.explain(peer);
  }

  /** Why peers are not being stored now (full disk); `undefined` while all is well. @throws {P2pError} `module_not_started` */
  get storeFailure(): P2pError | undefined {
    return this.#running.storeFailure;
  }

  /**
   * Opens the node: listens, learns the staked set, and dials whom it needs. If it knows nobody it asks the bootstrap nodes; should none of
   * them answer, it runs all the same and says so in the log. A stopped module can be started again.
   *
   * @throws {P2pError} `module_started` when it is; `port_in_use`, `port_forbidden`, `store_unwritable`, `store_corrupt`, `genesis_invalid`, what the providers throw,
   * `deadline` when they do not answer within `request_timeout_ms`, the signal's reason. Nothing is left open then.
   */
  start(options: StartOptions = {}): Promise<void> {
    const { signal } = this.#starting;
    const end = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]);
    this.#starts++;
    return this.#inTurn(async () => {
      if (this.#node !== undefined) throw new P2pError("module_started", "P2P module is started already");
      end.throwIfAborted();
      this.#node = await RunningNode.open(this.#config, this.#parts, this.routines, this.telemetry, end);
      this.#node.onRequest(this.#requestHandler);
    }).finally(() => this.#starts--);
  }

  /**
   * Closes RainTree, then the router with all sockets, which write what they have accepted within `stop_timeout_ms`, then the store.
   *
   * @throws {P2pError} `module_not_started` when it is not; an AggregateError of whatever failed to close.
   */
  stop(): Promise<void> {
    const ended = this.#endStarts();
    return this.#inTurn(async () => {
      const node = ended ? this.#node : this.#running;
      this.#node = undefined;
      await node?.close();
    });
  }

  /** Stops if started; a start under way ends first. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#endStarts();
    return this.#inTurn(async () => {
      const node = this.#node;
      this.#node = undefined;
      await node?.close();
    });
  }

  /**
   * Sends a message to every staked peer; the bus of each gets it once. Resolves when it is queued for each of this node's targets, which is at
   * once unless a queue is full or a target has to be dialled first: await it, and a slow network slows the sender down.
   *
   * @throws {P2pError} (as a rejection) `module_not_started`, `raintree_not_staked`, `raintree_too_large`
   * @throws {RangeError} (as a rejection) without a type URL
   */
  broadcast(content: Content, options?: MessageOptions & { receipt?: false }): Promise<void>;

  /**
   * The same, and resolves to who confirmed: when everybody has, or is known to be dead, and at the deadline at the latest. Exact mode only. What a confirmation is
   * worth, and what a node that lies can fake: docs/reliability.md says it. A node that got the message by repair confirms to nobody.
   *
   * @throws {P2pError} (as a rejection) also `receipt_needs_exact`, `receipt_ring_too_large` (more than 4,096 signatures)
   * @throws {RangeError} (as a rejection) also for a deadline that is no positive number, or over a minute
   * @throws {TypeError} (as a rejection) for a receipt that is neither a truth value nor `"signed"`
   */
  broadcast(content: Content, options: ReceiptRequest): Promise<ReceiptOutcome>;

  /** See above. */
  async broadcast(
    content: Content,
    options: MessageOptions & { receipt?: boolean | "signed"; deadlineMs?: number } = {},
  ): Promise<void | ReceiptOutcome> {
    const { nonce, receipt, deadlineMs = RECEIPT_MS } = options;
    if (receipt === undefined || receipt === false) return await this.#running.broadcast(content, nonce);
    if (receipt !== true && receipt !== "signed") {
      throw new TypeError(`Cannot ask for a receipt of kind ${JSON.stringify(receipt)}: wanted true or "signed"`);
    }
    if (typeof deadlineMs !== "number" || !(deadlineMs > 0) || deadlineMs > RECEIPT_MS_MAX) {
      throw new RangeError(
        `Cannot wait ${deadlineMs} ms for a receipt: wanted more than 0 and at most ${RECEIPT_MS_MAX}`,
      );
    }
    const confirm = receipt === true ? "claims" : "signed";
    const outcome = await this.#running.broadcastConfirmed(content, nonce, confirm, deadlineMs);
    countReceipt(this.telemetry.receipts, outcome);
    return outcome;
  }

  /**
   * Sends a message to one peer: along RainTree between staked peers, otherwise directly. Resolves when it is queued for the peer.
   *
   * @throws {P2pError} (as a rejection) `module_not_started`, `address_malformed`, `peer_unknown`, what the dial fails with.
   */
  async send(to: Address, content: Content, { nonce }: MessageOptions = {}): Promise<void> {
    await this.#running.send(parseAddress(to), content, nonce);
  }

  /**
   * Asks one peer and resolves with its answer.
   *
   * @throws {P2pError} (as a rejection) `module_not_started`, `request_timeout`, `request_failed`, `address_malformed`, `peer_unknown`, what the dial
   * fails with; the signal's reason.
   */
  async request(to: Address, content: Content, options?: RequestOptions): Promise<Content> {
    return await this.#running.requests.ask(parseAddress(to), content, options);
  }

  /** Answers requests of peers from now on, also after a restart; one handler, `undefined` for none. */
  onRequest(handler: RequestHandler | undefined): void {
    this.#requestHandler = handler;
    this.#node?.onRequest(handler);
  }

  /** Takes in a peer that is not staked, so that it can be sent to; `persistent` keeps it connected for ever. */
  addPeer(address: NodeAddress, options: { persistent?: boolean } = {}): void {
    this.#running.peers.add(address, options);
  }

  /**
   * Acts on an event of the node's other modules: a new height changes the staked set, and opens or closes RainTree for this node; the transition
   * to `P2P_Bootstrapping` has the bootstrap nodes asked if nobody is known, and answers with `bootstrapped` on the bus.
   *
   * @throws {P2pError} (as a rejection) `module_not_started`, `event_unknown`, `bootstrap_failed`, `module_stopped`, what the providers throw.
   */
  async handleEvent(event: NodeEvent): Promise<void> {
    const node = this.#running;
    switch (event.type) {
      case "ConsensusNewHeightEvent":
        return await node.moveTo(event.height);
      case "StateMachineTransitionEvent":
        if (event.newState === "P2P_Bootstrapping") await node.bootstrap();
        return;
      default:
        throw new P2pError("event_unknown", `P2P module does not handle "${(event as { type: unknown }).type}"`);
    }
  }

  get #running(): RunningNode {
    if (this.#node === undefined) throw notStarted();
    return this.#node;
  }

  /** Ends the starts under way and waiting. Returns whether there were any. */
  #endStarts(): boolean {
    const ended = this.#starts > 0;
    this.#starting.abort(new P2pError("module_stopped", "P2P module was stopped while it started"));
    this.#starting = new AbortController();
    return ended;
  }

  /** One after the other: a stop during a start waits for it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(asError);
    return turn;
  }
}

function notStarted(): P2pError {
  return new P2pError("module_not_started", "P2P module is not started", { hint: "Call start() first" });
}
