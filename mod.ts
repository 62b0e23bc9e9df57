/**
 * A peer-to-peer module for validator networks: RainTree broadcast over Noise-secured, libp2p-compatible TCP.
 *
 * Import it to run a node; run it (`deno run -A mod.ts`) to see a network of validators at work on this machine.
 *
 * @example
 * ```ts
 * import { NodeKey, P2PModule } from "@raintree/p2p";
 *
 * const node = P2PModule.create({ private_key: NodeKey.generate(), listen_host: "127.0.0.1", port: 0 });
 * node.onRequest((content) => content);
 * if (node.started) throw new Error("a module opens nothing before start()");
 * ```
 *
 * @module
 */

// The module, its configuration and what it tells and is told.
export {
  type MessageOptions,
  P2PModule,
  type P2PModuleOptions,
  type ReceiptRequest,
  type StartOptions,
} from "./src/module/p2p_module.ts";
export { type Bus, type Content, LocalBus, type P2PEvent } from "./src/module/bus.ts";
export type { P2PConfig, P2PConfigInput } from "./src/module/config.ts";
export { ConfigError, type ConfigProblem } from "./src/module/config_error.ts";
export { type ConfigSources, loadConfig, parseConfig } from "./src/module/load_config.ts";
export {
  type ConsensusNewHeightEvent,
  decodeNodeEvent,
  encodeNodeEvent,
  type NodeEvent,
  type StateMachineTransitionEvent,
} from "./src/module/events.ts";
export type { RequestHandler, RequestOptions } from "./src/module/requests.ts";
export type { ReceiptTelemetry, Telemetry } from "./src/module/telemetry.ts";

// Who is staked.
export type { CurrentHeightProvider, PeerstoreProvider, ProviderOptions } from "./src/peer/peerstore_provider.ts";
export type { StakedPeer } from "./src/peer/staked_peer.ts";
export { StaticProvider } from "./src/peer/static_provider.ts";
export { GenesisProvider } from "./src/peer/genesis_provider.ts";
export { GenesisError, type GenesisProblem, type GenesisValidator, parseGenesis } from "./src/peer/genesis.ts";

// Channels of the application's own.
export type { Channel, ChannelDescriptor, Envelope, MessageHandler, SendOptions } from "./src/router/channel.ts";
export { bytesCodec, type MessageCodec, type OneOf, oneOfCodec, type Variant } from "./src/router/codec.ts";
export type { WhenFull } from "./src/socket/send_lane.ts";

// What the module shows of its inside.
export type { Ring, RingChange, RingOptions } from "./src/raintree/ring.ts";
export type { TreeMode } from "./src/raintree/tree.ts";
export type { BroadcastTrace } from "./src/raintree/broadcast_trace.ts";
export type { RainTreeHead, RainTreeMessage } from "./src/raintree/message.ts";
export type { PeerState } from "./src/raintree/failure_detector.ts";
export type { PeerCounts } from "./src/peer/decisions.ts";
export type { LinkTally } from "./src/peer/links.ts";
export type { RainTreeStats } from "./src/raintree/raintree_router.ts";
export type { ReceiptOutcome } from "./src/raintree/receipts.ts";
export type { ReliabilityStats } from "./src/raintree/reliability.ts";
export type { ControlCounts } from "./src/raintree/control_outbox.ts";
export type { EndpointExplanation, PeerExplanation, PeerStatus } from "./src/peer/explain.ts";
export type { PeerBan } from "./src/peer/peer_record.ts";
export type { ScoreChange } from "./src/peer/scores.ts";
export type { Router } from "./src/router/router.ts";
export type { ChannelHost } from "./src/router/channel.ts";
export type { Drops } from "./src/router/drop_counter.ts";
export type { Offer, Socket } from "./src/socket/socket.ts";
export type { SocketState } from "./src/socket/socket_state.ts";
export type { LaneOptions, SendLane } from "./src/socket/send_lane.ts";
export type * from "./src/transport/transport.ts";
export type { ByteWriter } from "./src/codec/byte_writer.ts";
export type { OnFrame } from "./src/codec/frame.ts";
export type { ChannelInfo, NodeInfo } from "./src/transport/node_info.ts";

// Identity.
export * from "./src/identity/address.ts";
export * from "./src/identity/address_conversions.ts";
export * from "./src/identity/key_file.ts";
export * from "./src/identity/multiaddr.ts";
export * from "./src/identity/node_address.ts";
export * from "./src/identity/node_key.ts";
export * from "./src/identity/peer_id.ts";
export { formatServiceUrl, parseServiceUrl, type ServiceUrl } from "./src/identity/service_url.ts";

// What is injected, and what is thrown.
export { type Cancel, type Clock, systemClock } from "./src/base/clock.ts";
export { type Random, systemRandom } from "./src/base/random.ts";
export type { Routines } from "./src/base/routines.ts";
export type { Fetch } from "./src/discovery/bootstrap.ts";
export type { MemoryNetwork } from "./src/transport/memory/memory_transport.ts";
export { P2pError, type P2pErrorOptions, ProtocolError } from "./src/base/errors.ts";

if (import.meta.main) {
  const { runProcess } = await import("./src/cli/main.ts");
  Deno.exit(await runProcess(Deno.args));
}
