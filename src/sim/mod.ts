/**
 * What tests of networks need: a clock that stands still until told to move, seeded randomness, a network in memory, and a simulated one with
 * latency, losses, partitions and crashes on which production code runs as it is; and the cost of one broadcast at any scale, by arithmetic.
 *
 * @module
 */
export type { Cancel, Clock } from "../base/clock.ts";
export { P2pError, type P2pErrorOptions } from "../base/errors.ts";
export { type Random, seededRandom } from "../base/random.ts";
export { Routines } from "../base/routines.ts";
export type { ByteWriter } from "../codec/byte_writer.ts";
export type { OnFrame } from "../codec/frame.ts";
export type { Address } from "../identity/address.ts";
export type { NodeAddress } from "../identity/node_address.ts";
export type { ChannelInfo, NodeInfo } from "../transport/node_info.ts";
export type * from "../transport/frame_link.ts";
export type * from "../transport/transport.ts";
export { MemoryNetwork, MemoryTransport, type MemoryTransportOptions } from "../transport/memory/memory_transport.ts";
export type { TreeMode } from "../raintree/tree.ts";
export * from "./arithmetic.ts";
export * from "./virtual_clock.ts";
export * from "./each_seed.ts";
export * from "./fault_plan.ts";
export type { LinkProfile } from "./link_profile.ts";
export * from "./broadcast_html.ts";
export { broadcastSvg } from "./broadcast_svg.ts";
export * from "./message_kinds.ts";
export * from "./sim_cluster.ts";
export * from "./sim_host.ts";
export type * from "./sim_link.ts";
export * from "./sim_network.ts";
export * from "./sim_report.ts";
export * from "./sim_run.ts";
export type * from "./sim_trace.ts";
export { type WorkerPoolOptions } from "./worker_pool.ts";
