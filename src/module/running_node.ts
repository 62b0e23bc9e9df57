import { abortable, deadline } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import { type Logger, logger } from "../base/log.ts";
import type { Routines } from "../base/routines.ts";
import type { Address } from "../identity/address.ts";
import { formatNodeAddress, type NodeAddress, parseNodeAddress } from "../identity/node_address.ts";
import { parseServiceUrl } from "../identity/service_url.ts";
import { PeerManager } from "../peer/peer_manager.ts";
import type { PeerStore } from "../peer/peer_store.ts";
import type { StakedPeer } from "../peer/staked_peer.ts";
import { StaticProvider } from "../peer/static_provider.ts";
import { NonceDeduper } from "../raintree/dedup.ts";
import { encodeEnvelope, type PocketEnvelope, randomNonce } from "../raintree/envelope.ts";
import type { ReceiptKind, ReceiptOutcome } from "../raintree/receipts.ts";
import { RainTreeRouter } from "../raintree/raintree_router.ts";
import type { RainTreeLayers } from "../raintree/raintree_router_options.ts";
import { Ring } from "../raintree/ring.ts";
import type { Channel } from "../router/channel.ts";
import { bytesCodec } from "../router/codec.ts";
import { Router } from "../router/router.ts";
import type { Endpoint, Transport } from "../transport/transport.ts";
import { backgroundMessageCodec } from "./background_message.ts";
import type { Content, P2PEvent } from "./bus.ts";
import { CHANNELS } from "./channels.ts";
import type { P2PConfig } from "./config.ts";
import { openStore, openTransport, warnOfSharedKey, withGenesis } from "./node_parts.ts";
import type { P2PModuleParts } from "./p2p_module.ts";
import { requestCodec, type RequestHandler, Requests } from "./requests.ts";
import { StakedView } from "./staked_view.ts";
import { countAtHeight, type Telemetry } from "./telemetry.ts";
import { V1Peers } from "./v1_peers.ts";

/** What a {@link P2PModule} consists of from start to stop. */
export class RunningNode {
  /** Sockets and channels. */
  readonly router: Router;
  /** Who is known, dialled and kept. */
  readonly peers: PeerManager;
  /** Broadcasts among the staked. */
  readonly raintree: RainTreeRouter;
  /** Requests and answers. */
  readonly requests: Requests;
  readonly #config: P2PConfig;
  readonly #parts: P2PModuleParts;
  readonly #telemetry: Telemetry;
  readonly #store: PeerStore;
  readonly #view: StakedView;
  readonly #direct: Channel<PocketEnvelope>;
  readonly #seen: NonceDeduper;
  readonly #v1 = new V1Peers();
  readonly #stop = new AbortController();
  readonly #log: Logger = logger("module");
  #endpoint: Endpoint | undefined;
  #bootstrapFailure: Error | undefined;
  /** RainTree messages sent that the telemetry knows of. */
  #sendsCounted = 0;

  private constructor(
    config: P2PConfig,
    parts: P2PModuleParts,
    transport: Transport,
    store: PeerStore,
    telemetry: Telemetry,
  ) {
    const { clock, random, strict } = parts;
    const self = config.private_key.address;
    this.#config = config;
    this.#parts = parts;
    this.#telemetry = telemetry;
    this.#store = store;
    this.#seen = new NonceDeduper({ maxNonces: config.max_nonces, random });
    this.peers = PeerManager.open(self, {
      clock,
      random,
      store,
      maxInbound: config.max_inbound,
      maxOutbound: config.max_outbound,
      maxConnected: Math.max(1, config.max_inbound + config.max_outbound),
      maxPeers: Math.max(10_000, 2 * (config.max_inbound + config.max_outbound)),
      // The tree wants its own connections and the rest is dialled on demand: nothing is gained by filling up.
      keepConnected: 0,
      idleMs: config.idle_timeout_ms === 0 ? Infinity : config.idle_timeout_ms,
    });
    this.router = new Router({
      address: self,
      network: config.network,
      transports: [transport],
      peers: this.peers,
      clock,
      queue: config.queue,
      keepAlive: { intervalMs: config.ping_interval_ms, timeoutMs: config.ping_timeout_ms },
      dialTimeoutMs: config.dial_timeout_ms,
      handshakeTimeoutMs: config.handshake_timeout_ms,
      drainMs: config.stop_timeout_ms,
      strict,
      locate: (peer) => this.#view.find(peer),
      advertise: () => this.#endpoint === undefined ? [] : [formatNodeAddress(this.nodeAddress)],
      onUp: ({ address, remote }) => {
        this.#v1.meet(address, remote.info.version);
        this.raintree.up(address);
        this.#publish({ type: "peer_up", peer: address });
      },
      onDown: (peer) => {
        this.raintree.down(peer);
        this.#publish({ type: "peer_down", peer });
      },
    });
    this.#view = new StakedView(
      self,
      parts.peerstore ?? new StaticProvider([]),
      parts.heights ?? new StaticProvider([]),
      this.peers,
    );
    this.raintree = new RainTreeRouter({
      self,
      ring: Ring.of([]),
      channel: this.router.openChannel({ ...CHANNELS.raintree, codec: bytesCodec }),
      isV1: (peer) => this.#v1.has(peer),
      mode: config.mode,
      nonces: this.#seen,
      maxNonces: config.max_nonces,
      onPayload: (envelope, from) => this.#payload(envelope, from),
      onMisbehaviour: (from, error) => this.router.misbehaved(from, error),
      onUnsent: (to, error) => this.#log.warn("message to {peer} is lost: {error}", { peer: to, error: error.message }),
      layers: this.#layers(),
      trace: parts.trace,
    });
    this.#direct = this.router.openChannel({ ...CHANNELS.direct, codec: backgroundMessageCodec });
    this.#direct.handle((envelope, from) => {
      parts.trace?.onArrival(envelope.nonce, from, { level: 0, data: envelope.value });
      this.#payload(envelope, from);
    });
    this.requests = new Requests(
      this.router.openChannel({ ...CHANNELS.request, codec: requestCodec }),
      clock,
      config.request_timeout_ms,
    );
  }

  /** Opens store, sockets and view; on failure, and when the signal aborts, closes what it has opened. */
  static async open(
    config: P2PConfig,
    parts: P2PModuleParts,
    routines: Routines,
    telemetry: Telemetry,
    signal?: AbortSignal,
  ): Promise<RunningNode> {
    signal?.throwIfAborted();
    await warnOfSharedKey(config.private_key_file);
    const store = await openStore(config.store_path);
    let node: RunningNode | undefined;
    const giveUp = () => node!.#stop.abort(signal!.reason);
    try {
      node = new RunningNode(
        config,
        await withGenesis(config, parts),
        await openTransport(config, parts, routines),
        store,
        telemetry,
      );
      signal?.throwIfAborted();
      signal?.addEventListener("abort", giveUp);
      await node.#open();
      return node;
    } catch (error) {
      if (node === undefined) store.close();
      else await node.close();
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** Where this node may be dialled. */
  get nodeAddress(): NodeAddress {
    const id = this.#config.private_key.address;
    if (this.#endpoint === undefined) {
      throw new P2pError("module_client_only", "This node does not listen, nobody can dial it");
    }
    if (this.#endpoint.protocol === "memory") return { protocol: "memory", id };
    const { advertise, hostname } = this.#config;
    const { host, port } = advertise === ""
      ? { host: hostname, port: this.#endpoint.port! }
      : parseServiceUrl(advertise);
    return { protocol: this.#endpoint.protocol, id, host, port };
  }

  /** Why peers are not being stored; `undefined` while all is well. */
  get storeFailure(): P2pError | undefined {
    return this.peers.storeFailure;
  }

  /** The staked peers at the height of the ring, in its order. */
  get staked(): readonly StakedPeer[] {
    return this.#view.staked;
  }

  /** Why this node knows nobody whom it could begin with; `undefined` where it does, or needs nobody. */
  get unbootstrapped(): string | undefined {
    if (!this.#needsPeers) return undefined;
    return this.#bootstrapFailure?.message ?? "The bootstrap nodes have not answered yet";
  }

  /** See {@link P2PModule.broadcast}. */
  async broadcast(content: Content, nonce: bigint | undefined): Promise<void> {
    await this.#broadcast(content, nonce, (data) => this.raintree.broadcast(data));
  }

  /** See {@link P2PModule.broadcast}. */
  async broadcastConfirmed(
    content: Content,
    nonce: bigint | undefined,
    confirm: ReceiptKind,
    deadlineMs: number,
  ): Promise<ReceiptOutcome> {
    return await this.#broadcast(content, nonce, (data) => this.raintree.broadcastConfirmed(data, deadlineMs, confirm));
  }

  async #broadcast<T>(content: Content, given: bigint | undefined, send: (data: Uint8Array) => Promise<T>): Promise<T> {
    const nonce = given ?? randomNonce(this.#parts.random);
    const sent = send(encodeEnvelope({ ...content, nonce }));
    this.#seen.seen(nonce); // a copy that comes back is no news
    this.#countSends();
    return await sent;
  }

  /** See {@link P2PModule.send}. */
  async send(to: Address, content: Content, nonce = randomNonce(this.#parts.random)): Promise<void> {
    const envelope = { ...content, nonce };
    this.#parts.trace?.onHandover(nonce, to, { level: 0 });
    const { ring } = this.raintree;
    if (!ring.has(to) || !ring.has(this.#config.private_key.address)) return await this.#direct.send(to, envelope);
    const sent = this.raintree.send(encodeEnvelope(envelope), to);
    this.#countSends();
    await sent;
  }

  /** See {@link P2PModule.onRequest}. */
  onRequest(handler: RequestHandler | undefined): void {
    this.requests.onRequest(handler);
  }

  /** Follows the chain to a height. */
  async moveTo(height: number): Promise<void> {
    await this.#follow((signal) => this.#view.at(height, signal));
  }

  /** Asks the bootstrap nodes for peers if nobody is known, then tells the bus. @throws {P2pError} `bootstrap_failed` */
  async bootstrap(): Promise<void> {
    await this.#findPeers();
    this.#publish({ type: "bootstrapped" });
  }

  /** Closes what depends on it first; joins the errors. */
  async close(): Promise<void> {
    this.#stop.abort(new P2pError("module_stopped", "P2P module is stopped"));
    this.raintree.close();
    this.requests.close();
    const results = await Promise.allSettled([this.router.stop()]);
    this.peers.close();
    try {
      this.#store.close();
    } catch (reason) {
      results.push({ status: "rejected", reason });
    }
    const errors = results.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
    if (errors.length > 0) throw new AggregateError(errors, "P2P module did not close cleanly");
  }

  async #open(): Promise<void> {
    this.#telemetry.p2p_nodes_started_counter++;
    const { is_client_only, connection_type, listen_host, port, persistent_peers } = this.#config;
    if (!is_client_only) {
      const endpoint = connection_type === "tcp"
        ? { protocol: "tcp", host: listen_host, port }
        : { protocol: "memory" };
      this.#endpoint = await this.router.listen(endpoint);
    }
    for (const url of persistent_peers) this.peers.add(parseNodeAddress(url), { persistent: true });
    await this.#follow((signal) => this.#view.load(signal));
    this.router.start();
    try {
      await this.#findPeers();
    } catch (caught) {
      this.#stop.signal.throwIfAborted();
      this.#bootstrapFailure = asError(caught);
      // The first nodes of a network find nobody who could tell them; others may still connect to them.
      this.#log.warn("started without knowing a peer: {error}", { error: asError(caught).message });
    }
  }

  /** Takes over the view that `look` finds, in the time that a request may take. */
  async #follow(look: (signal: AbortSignal) => Promise<Ring>): Promise<void> {
    const { request_timeout_ms } = this.#config;
    using limit = deadline(this.#parts.clock, request_timeout_ms, "Learning who is staked", this.#stop.signal);
    this.raintree.setRing(await abortable(look(limit.signal), limit.signal));
    this.#view.want(this.raintree);
  }

  /** Whether there are bootstrap nodes to be asked, and nobody is known. */
  get #needsPeers(): boolean {
    const { bootstrap_nodes_csv: urls, private_key: { address: self } } = this.#config;
    const { ring } = this.raintree;
    const othersStaked = ring.size > (ring.has(self) ? 1 : 0);
    return urls.length > 0 && !othersStaked && this.peers.counts().known === 0;
  }

  /** Asks the bootstrap nodes, if there are any, unless somebody is known. */
  async #findPeers(): Promise<void> {
    const { bootstrap_nodes_csv: urls } = this.#config;
    if (!this.#needsPeers) return;
    const { bootstrap } = await import("../discovery/bootstrap.ts");
    const { clock, fetch } = this.#parts;
    const { url, height, peers } = await bootstrap(urls, { clock, fetch, signal: this.#stop.signal });
    for (const { nodeAddress } of peers) this.peers.add(nodeAddress);
    this.#log.info("node {url} told {count} peers of height {height}", { url, height, count: peers.length });
  }

  /** What stands on the bare tree. */
  #layers(): RainTreeLayers {
    const { acks, adjust_limit, replacements_ack, redundancy, igyw, repair, failure_detector } = this.#config;
    const { recent_bytes, recent_ms, network, private_key: key } = this.#config;
    const { clock, random } = this.#parts;
    return {
      network,
      key,
      clock,
      random,
      control: this.router.openChannel({ ...CHANNELS.control, codec: bytesCodec }),
      connected: () => this.router.connected,
      acks,
      adjustLimit: adjust_limit,
      replacementsAck: replacements_ack,
      redundancy,
      igyw,
      repair,
      failureDetector: failure_detector,
      recentBytes: recent_bytes,
      recentMs: recent_ms,
    };
  }

  #countSends(): void {
    const { writes } = this.raintree;
    if (writes === this.#sendsCounted) return;
    countAtHeight(this.#telemetry.raintree_message_event_metric, this.#view.height, writes - this.#sendsCounted);
    this.#sendsCounted = writes;
  }

  #payload({ typeUrl, value, nonce }: PocketEnvelope, from: Address): boolean {
    this.#countSends(); // it may have been passed on just now
    if (this.#seen.seen(nonce)) {
      countAtHeight(this.#telemetry.broadcast_message_redundancy_per_block_event_metric, this.#view.height);
      return false;
    }
    this.#publish({ type: "message", content: { typeUrl, value }, from });
    return true;
  }

  /** What the application's bus throws is told, and ends neither the node nor the peer's connection. */
  #publish(event: P2PEvent): void {
    try {
      this.#parts.bus.publish(event);
    } catch (error) {
      this.#log.error("the bus threw at event {type}: {error}", { type: event.type, error: asError(error).message });
    }
  }
}
