import type { P2PConfigInput } from "../src/module/config.ts";

/**
 * What a benchmark asks of a side. Both sides stand behind this one interface, so that a row measures ours and the peer with the same
 * code. Every call happens in a process of its own, and the process is the unit of lifetime: it is killed when the figure is known.
 */
export interface Side {
  /** Loads whatever {@link network} loads when first called, so that memory can be read before and after. */
  load(): Promise<void>;
  /** A node that hands each message of a long-lived channel to `onMessage`. */
  receiver(onMessage: OnMessage): Promise<Served>;
  /** The other end of {@link receiver}: one long-lived channel to `address`. */
  sender(address: string): Promise<Send>;
  /** A node that answers each request with the request. */
  echoServer(): Promise<Served>;
  /** The other end of {@link echoServer}. */
  requester(address: string): Promise<(request: Uint8Array) => Promise<Uint8Array>>;
  /** A node that only accepts connections. */
  dialServer(): Promise<Served>;
  /** Each call dials a {@link dialServer}, completes the handshake both ways, and closes the connection again. */
  dialler(address: string): Promise<() => Promise<void>>;
  /** A node that reads `pokt/raintree/v1.0.0` streams, one message each, to their end. */
  messageServer(onMessage: OnMessage): Promise<Served>;
  /** Each call sends one message on a stream of its own and resolves when the receiver has read it and closed its end too. */
  messenger(address: string): Promise<(message: Uint8Array) => Promise<void>>;
  /** `count` nodes in this process that listen on loopback and know nobody yet. */
  network(count: number, options: NetworkOptions): Promise<Network>;
}

/** Called once for each message received; the bytes are only valid during the call. */
export type OnMessage = (message: Uint8Array) => void;

/** A node that another process can reach. */
export interface Served {
  /** What the other end needs in order to connect. */
  readonly address: string;
}

/** Sends one message; a promise means that the sender must wait for room. */
export type Send = (message: Uint8Array) => Promise<void> | undefined;

/** How {@link Side.network} is to behave. */
export interface NetworkOptions {
  /** Each message carries its origin's signature. Ours proves origins by the connection and ignores it. */
  signed: boolean;
  /** Peers in gossipsub's mesh. @default {6} */
  mesh?: number;
  /** Fields of our configuration that differ from the defaults. */
  config?: P2PConfigInput;
  /** A node other than the origin has the message, once for each node and message. */
  onDelivery: (node: number, message: Uint8Array) => void;
}

/** The nodes of one process in a network that may reach over several. */
export interface Network {
  /** The nodes here, by the numbers that {@link broadcast} and `onDelivery` use. */
  readonly members: readonly Member[];
  /** Connects the nodes here with the rest of `all`, those of every process, along the exact tree; resolves when they are ready to broadcast. */
  connect(all: readonly Member[]): Promise<void>;
  /** Broadcasts from node `origin` of this process to all the others. */
  broadcast(origin: number, message: Uint8Array): Promise<void> | undefined;
  /** What the nodes here did so far. */
  counts(): NetworkCounts;
}

/** A node as the others need to know it. */
export interface Member {
  /** Its address or peer ID. */
  readonly id: string;
  /** Where it is dialled. */
  readonly url: string;
}

/** Counters of all nodes of one process together. */
export interface NetworkCounts {
  /** Bytes that the system took from their sockets: whatever travels, handshakes and encryption included. */
  readonly bytesWritten: number;
  /** Messages with a payload that arrived, the first of each and its copies. */
  readonly payloads: number;
}

/** Which side a process runs. */
export type SideName = "ours" | "peer";

/** Loads one side only, so that neither pays for the other's modules in memory or start-up. */
export async function loadSide(name: SideName): Promise<Side> {
  return name === "ours" ? (await import("./our_node.ts")).ours : (await import("./peer_libp2p.ts")).peer;
}
