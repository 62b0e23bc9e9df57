import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { type Identify, identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { peerIdFromString } from "@libp2p/peer-id";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p, type Libp2p } from "libp2p";
import protobuf from "protobufjs";
import type { Address } from "../../src/identity/address.ts";
import type { NodeAddress } from "../../src/identity/node_address.ts";
import type { NodeKey } from "../../src/identity/node_key.ts";
import { addressOfPeerId } from "../../src/identity/peer_id.ts";
import { visitLevelTargets } from "../../src/raintree/targets.ts";
import { maxLevels } from "../../src/raintree/tree.ts";

export const RAINTREE = "pokt/raintree/v1.0.0";
export const BACKGROUND = "pokt/background/v1.0.0";

/** js-libp2p takes more than this at once only where it is told to. */
const SEND_CHUNK_BYTES = 64 * 1024;

// Pocket V1's messages by an encoder that nobody here wrote; it knows no `until`.
const { Field, Type } = protobuf;
const Any = new Type("Any").add(new Field("typeUrl", 1, "string")).add(new Field("value", 2, "bytes"));
const Envelope = new Type("PocketEnvelope").add(new Field("content", 1, "Any")).add(new Field("nonce", 2, "uint64"))
  .add(Any);
const RainTree = new Type("RainTreeMessage").add(new Field("level", 1, "uint32")).add(new Field("data", 2, "bytes"));
const Background = new Type("BackgroundMessage").add(new Field("data", 1, "bytes"));
new protobuf.Root().add(Envelope).add(RainTree).add(Background);

interface Decoded {
  level: number;
  data: Uint8Array;
  content: { value: Uint8Array };
  nonce: { toString(): string };
}

/** A message that a {@link PocketV1Node} received, second copies included. */
export interface V1Message {
  /** RAINTREE or BACKGROUND. */
  readonly protocol: string;
  readonly from: Address;
  /** As it came. */
  readonly bytes: Uint8Array;
}

/** What a node of a test is: V1's own protocols with libp2p's identify and ping, unless something else is asked for. */
export interface PocketV1Options {
  port?: number;
  /** Protocols served. @default {both of Pocket V1} */
  protocols?: readonly string[];
  /** `silent` takes pings and does not answer. @default {"answers"} */
  ping?: "answers" | "silent" | "none";
}

type JsNode = Libp2p<{ identify: Identify }>;
type JsStream = Awaited<ReturnType<JsNode["dialProtocol"]>>;

/** A validator as Pocket V1 has it, on js-libp2p: one stream a message, the classic tree, and no idea of channels and segments. */
export class PocketV1Node implements AsyncDisposable {
  readonly key: NodeKey;
  readonly received: V1Message[] = [];
  /** Texts handed to the application, once each. */
  readonly texts: string[] = [];
  /** RainTree messages over the network. */
  reads = 0;
  writes = 0;
  /** Streams wait for it before they are read. */
  gate: Promise<void> | undefined;
  /** Streams that were opened and not read to their end. */
  unread = 0;
  /** The most there ever were. */
  unreadMax = 0;
  /** Failures to send. */
  readonly failures: unknown[] = [];
  #ring: readonly Address[] = [];
  #places = new Map<Address, { multiaddr: string; peerId: string }>();
  readonly #seen = new Set<string>();
  #nonces = 0;
  readonly #node: JsNode;

  private constructor(key: NodeKey, node: JsNode) {
    this.key = key;
    this.#node = node;
  }

  static async start(key: NodeKey, options: PocketV1Options = {}): Promise<PocketV1Node> {
    const { port = 0, protocols = [RAINTREE, BACKGROUND], ping: pings = "answers" } = options;
    const node = await createLibp2p({
      privateKey: await generateKeyPairFromSeed("Ed25519", Uint8Array.fromHex(key.privateHex().slice(0, 64))),
      addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      connectionMonitor: { enabled: false },
      services: { identify: identify(), ...(pings === "answers" ? { ping: ping() } : {}) },
    });
    const v1 = new PocketV1Node(key, node);
    // Handled with the limits that js-libp2p has by default: 32 streams a protocol and connection.
    for (const protocol of protocols) {
      await node.handle(protocol, async (stream, connection) => {
        try {
          await v1.#receive(protocol, addressOfPeerId(connection.remotePeer.toString()), stream);
          await stream.close();
        } catch (error) {
          stream.abort(error as Error);
        }
      });
    }
    if (pings === "silent") await node.handle("/ipfs/ping/1.0.0", () => {});
    return v1;
  }

  get address(): Address {
    return this.key.address;
  }

  get nodeAddress(): NodeAddress {
    return { protocol: "tcp", id: this.address, host: "127.0.0.1", port: this.port };
  }

  get port(): number {
    return Number(/\/tcp\/(\d+)/.exec(this.#node.getMultiaddrs()[0].toString())![1]);
  }

  /** Peers connected now, once per connection. */
  get connections(): Address[] {
    return this.#node.getConnections().map(({ remotePeer }) => addressOfPeerId(remotePeer.toString()));
  }

  /** Counts connections from now on. */
  countConnections(): { count: number } {
    const counter = { count: 0 };
    this.#node.addEventListener("connection:open", () => counter.count++);
    return counter;
  }

  /** Takes in the staked set, in ring order. */
  follow(staked: readonly { key: NodeKey; nodeAddress: NodeAddress }[]): void {
    this.#ring = staked.map(({ key }) => key.address);
    for (const { key, nodeAddress } of staked) this.meet(key, nodeAddress);
  }

  /** Learns where somebody is. */
  meet(key: NodeKey, { host, port }: NodeAddress): void {
    this.#places.set(key.address, { multiaddr: `/ip4/${host}/tcp/${port}/p2p/${key.peerId}`, peerId: key.peerId });
  }

  /** Broadcasts along the classic tree. */
  broadcast(text: string): void {
    this.#serve(maxLevels(this.#ring.length), this.#envelope(text));
  }

  /** V1's unicast among the staked: level 0. */
  async send(to: Address, text: string): Promise<void> {
    this.writes++;
    await this.sendBytes(to, RAINTREE, encode(RainTree, { level: 0, data: this.#envelope(text) }));
  }

  /** V1's unicast to whom is not staked. */
  async sendBackground(to: Address, text: string): Promise<void> {
    await this.sendBytes(to, BACKGROUND, encode(Background, { data: this.#envelope(text) }));
  }

  /** Sends a message of any bytes. */
  async sendBytes(to: Address, protocol: string, bytes: Uint8Array): Promise<void> {
    const stream = await (await this.dial(to)).newStream(protocol);
    for (let at = 0; at < bytes.length; at += SEND_CHUNK_BYTES) {
      if (!stream.send(bytes.subarray(at, at + SEND_CHUNK_BYTES))) {
        const drained = Promise.withResolvers<void>();
        stream.addEventListener("drain", () => drained.resolve(), { once: true });
        stream.addEventListener("close", ({ error }) => drained.reject(error ?? new Error("closed")), { once: true });
        await drained.promise;
      }
    }
    await stream.close();
  }

  /** The connection to a peer, made now if there is none. */
  async dial(to: Address) {
    const place = this.#places.get(to)!;
    const [open] = this.#node.getConnections(peerIdFromString(place.peerId)).filter(({ status }) => status === "open");
    return open ?? await this.#node.dial(multiaddr(place.multiaddr));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.stop();
  }

  async #receive(protocol: string, from: Address, stream: JsStream): Promise<void> {
    this.unreadMax = Math.max(this.unreadMax, ++this.unread);
    const bytes = await readToEnd(stream, this.gate).finally(() => this.unread--);
    this.received.push({ protocol, from, bytes });
    if (protocol === BACKGROUND) return this.#deliver(decode(Background, bytes).data);
    this.reads++;
    const { level, data } = decode(RainTree, bytes);
    if (level > 0) this.#serve(level - 1, data);
    this.#deliver(data);
  }

  #deliver(data: Uint8Array): void {
    const { content, nonce } = decode(Envelope, data);
    if (this.#seen.has(nonce.toString())) return;
    this.#seen.add(nonce.toString());
    this.texts.push(new TextDecoder().decode(content.value));
  }

  #serve(level: number, data: Uint8Array): void {
    visitLevelTargets(this.#ring.length, this.#ring.indexOf(this.address), level, (target, at) => {
      this.writes++;
      this.sendBytes(this.#ring[target], RAINTREE, encode(RainTree, { level: at, data }))
        .catch((error) => this.failures.push(error));
    });
  }

  #envelope(text: string): Uint8Array {
    // Unlike any other node's, and never 0.
    const nonce = parseInt(this.address.slice(0, 9), 16) * 1e4 + ++this.#nonces;
    this.#seen.add(String(nonce));
    const content = { typeUrl: "type.googleapis.com/test.Text", value: new TextEncoder().encode(text) };
    return encode(Envelope, { content, nonce });
  }
}

/** Everything until the remote's end, read from when `gate` has opened. */
async function readToEnd(stream: JsStream, gate: Promise<void> | undefined): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const ended = Promise.withResolvers<void>();
  stream.addEventListener("message", ({ data }) => chunks.push(data.subarray().slice()));
  stream.addEventListener("remoteCloseWrite", () => ended.resolve(), { once: true });
  stream.addEventListener("close", ({ error }) => error ? ended.reject(error) : ended.resolve(), { once: true });
  // What came before the listeners is handed over in a microtask.
  if (stream.remoteWriteStatus === "closed") setTimeout(ended.resolve, 0);
  if (gate !== undefined) {
    stream.pause();
    await gate;
    stream.resume();
  }
  await ended.promise;
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

function encode(type: protobuf.Type, message: Record<string, unknown>): Uint8Array {
  return type.encode(type.fromObject(message)).finish().slice();
}

function decode(type: protobuf.Type, bytes: Uint8Array): Decoded {
  return type.decode(bytes) as unknown as Decoded;
}
