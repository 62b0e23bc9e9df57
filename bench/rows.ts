import { broadcastRate, broadcastTime } from "./broadcast.ts";
import { dial } from "./dial.ts";
import type { Benchmark, MeasureOptions } from "./harness.ts";
import { memoryPerNode } from "./memory.ts";
import { oneWay } from "./one_way.ts";
import { roundTrip } from "./round_trip.ts";
import { start } from "./start.ts";
import { streamPerMessage } from "./stream_per_message.ts";

/** Every row, in the order in which they run. */
export function rows(options: MeasureOptions): Benchmark[] {
  return [
    oneWay("one-way-1k", 1024, "messages/s", options),
    oneWay("one-way-100b", 100, "messages/s", options),
    oneWay("bulk-64k", 65_536, "MB/s", options),
    roundTrip(options),
    dial(options),
    streamPerMessage(options),
    broadcastRate(options),
    broadcastTime(options),
    memoryPerNode(),
    start(),
  ];
}
