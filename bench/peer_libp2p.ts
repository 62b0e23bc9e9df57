import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { frame, FrameReader } from "./peer_frames.ts";
import type { OnMessage, Send, Served, Side } from "./side.ts";

const CHANNEL = "/bench/channel/1.0.0";
const ECHO = "/bench/echo/1.0.0";
const MESSAGE = "pokt/raintree/v1.0.0";

/** Limits that exist to keep strangers out would slow the peer down here, where every connection comes from 127.0.0.1. */
const UNLIMITED = 100_000;
const UNLIMITED_STREAMS = { maxInboundStreams: UNLIMITED, maxOutboundStreams: UNLIMITED };

/** js-libp2p over TCP, Noise and yamux, as lean as it runs: no identify, no connection monitor, no limits in the way. */
function leanNode(listen: boolean) {
  return createLibp2p({
    addresses: { listen: listen ? ["/ip4/127.0.0.1/tcp/0"] : [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: peerConnectionLimits,
    connectionMonitor: { enabled: false },
  });
}

/** Connection manager settings for many connections from one address. */
export const peerConnectionLimits = {
  maxConnections: UNLIMITED,
  inboundConnectionThreshold: UNLIMITED,
  maxIncomingPendingConnections: UNLIMITED,
};

type Node = Awaited<ReturnType<typeof leanNode>>;
type Stream = Awaited<ReturnType<Node["dialProtocol"]>>;

/** js-libp2p. */
export const peer: Side = {
  async load() {
    await import("./peer_network.ts");
  },

  async receiver(onMessage) {
    const node = await leanNode(true);
    await node.handle(CHANNEL, (stream) => readFrames(stream, onMessage), UNLIMITED_STREAMS);
    return served(node);
  },

  async sender(address) {
    const stream = await openStream(await leanNode(false), address, CHANNEL);
    return writeFrames(stream);
  },

  async echoServer() {
    const node = await leanNode(true);
    await node.handle(ECHO, (stream) => {
      const send = writeFrames(stream);
      readFrames(stream, (message) => void send(message));
    }, UNLIMITED_STREAMS);
    return served(node);
  },

  async requester(address) {
    const stream = await openStream(await leanNode(false), address, ECHO);
    const send = writeFrames(stream);
    let answered: (answer: Uint8Array) => void;
    readFrames(stream, (message) => answered(message));
    return (request) =>
      new Promise((resolve) => {
        answered = resolve;
        void send(request);
      });
  },

  async dialServer() {
    return served(await leanNode(true));
  },

  async dialler(address) {
    const node = await leanNode(false);
    const to = multiaddr(address);
    return async () => {
      const connection = await node.dial(to);
      await connection.close();
    };
  },

  async messageServer(onMessage) {
    const node = await leanNode(true);
    await node.handle(MESSAGE, (stream) => readToEnd(stream, onMessage), UNLIMITED_STREAMS);
    return served(node);
  },

  async messenger(address) {
    const connection = await (await leanNode(false)).dial(multiaddr(address));
    return async (message) => {
      const stream = await connection.newStream(MESSAGE, { maxOutboundStreams: UNLIMITED });
      const closed = new Promise((resolve) => stream.addEventListener("close", resolve, { once: true }));
      if (!stream.send(message)) await drained(stream);
      await stream.close();
      await closed;
    };
  },

  async network(count, options) {
    return await (await import("./peer_network.ts")).peerNetwork(count, options);
  },
};

function served(node: Node): Served {
  return { address: node.getMultiaddrs()[0].toString() };
}

async function openStream(node: Node, address: string, protocol: string): Promise<Stream> {
  return await node.dialProtocol(multiaddr(address), protocol, { maxOutboundStreams: UNLIMITED });
}

function readFrames(stream: Stream, onMessage: OnMessage): void {
  const reader = new FrameReader(onMessage);
  stream.addEventListener("message", ({ data }) => reader.push(data instanceof Uint8Array ? data : data.subarray()));
}

function writeFrames(stream: Stream): Send {
  return (message) => stream.send(frame(message)) ? undefined : drained(stream);
}

/**
 * Room to send again. Not `stream.onDrain()`: up to @libp2p/utils 7.4 it keeps its first promise, so from the second call on it resolves at
 * once, and a sender that trusts it starves its own event loop.
 */
function drained(stream: Stream): Promise<void> {
  return new Promise((resolve) => stream.addEventListener("drain", () => resolve(), { once: true }));
}

function readToEnd(stream: Stream, onMessage: OnMessage): void {
  const chunks: Uint8Array[] = [];
  stream.addEventListener("message", ({ data }) => chunks.push(data instanceof Uint8Array ? data : data.subarray()));
  stream.addEventListener("remoteCloseWrite", () => {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const message = chunks.length === 1 ? chunks[0] : new Uint8Array(length);
    if (chunks.length > 1) {
      let at = 0;
      for (const chunk of chunks) {
        message.set(chunk, at);
        at += chunk.length;
      }
    }
    onMessage(message);
    stream.close().catch((error) => stream.abort(error));
  }, { once: true });
}
