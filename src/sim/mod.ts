/**
 * What tests of networks need: a clock that stands still until told to move, seeded randomness, and a network in memory.
 *
 * @module
 */
export type { Cancel, Clock } from "../base/clock.ts";
export { type Random, seededRandom } from "../base/random.ts";
export { MemoryNetwork, MemoryTransport, type MemoryTransportOptions } from "../transport/memory/memory_transport.ts";
export * from "./virtual_clock.ts";
