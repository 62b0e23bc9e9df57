/**
 * A libp2p host for Deno in pure TypeScript, over TCP: multistream-select, Noise, yamux, identify, ping.
 *
 * @module
 */
export { Libp2pHost } from "./libp2p/host.ts";
export type {
  DialTarget,
  HostEvent,
  Libp2pHostOptions,
  ListenTarget,
  PeerRef,
  StreamHandler,
} from "./libp2p/host_options.ts";
export type { HostListener } from "./libp2p/host_listener.ts";
export type { HostConnection } from "./libp2p/host_connection.ts";
export type { RawConnection } from "./libp2p/raw_connection.ts";
export type { Libp2pStream } from "./libp2p/libp2p_stream.ts";
export type { PipeOptions, StreamPipe } from "./libp2p/stream_pipe.ts";
export type { YamuxLimits } from "./libp2p/yamux.ts";
export { IDENTIFY, IDENTIFY_PUSH, type IdentifyInfo } from "./libp2p/identify.ts";
export { PING } from "./libp2p/ping.ts";
export {
  handleMessages,
  type MessageHandlerOptions,
  type OnMessage,
  sendMessage,
} from "./libp2p/one_message_stream.ts";
export type { RemoteIdentity } from "../security/libp2p_noise.ts";
export { NodeKey } from "../identity/node_key.ts";
export type { Address } from "../identity/address.ts";
export type { PeerId } from "../identity/peer_id.ts";
export { P2pError, type P2pErrorOptions, ProtocolError } from "../base/errors.ts";
export { type Cancel, type Clock, systemClock } from "../base/clock.ts";
export { type Random, systemRandom } from "../base/random.ts";
export { Routines } from "../base/routines.ts";
export { ByteWriter } from "../codec/byte_writer.ts";
export type { Direction, Endpoint } from "./transport.ts";
