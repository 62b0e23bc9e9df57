import type { SendLane } from "./send_lane.ts";

/** How a socket chooses among its channels: arrival order, strict rank, or weighted deficit round robin. */
export type QueueKind = "fifo" | "priority" | "wdrr";

/** Chooses which lane's next frame is written; one instance a socket. */
export interface Scheduler {
  /** The lane to take one frame from, among those that are ready; `undefined` if none is. */
  next(lanes: readonly SendLane[]): SendLane | undefined;
}

/** Makes the scheduler of one socket. */
export function createScheduler(kind: QueueKind): Scheduler {
  switch (kind) {
    case "fifo":
      return { next: oldest };
    case "priority":
      return { next: highest };
    case "wdrr":
      return new DeficitRoundRobin();
  }
}

/** Whose head was pushed first. A channel without credit does not hold up the others. */
function oldest(lanes: readonly SendLane[]): SendLane | undefined {
  let first: SendLane | undefined;
  for (let i = 0; i < lanes.length; i++) {
    const lane = lanes[i];
    if (lane.ready && (first === undefined || lane.headTurn < first.headTurn)) first = lane;
  }
  return first;
}

/** Whose priority is highest; equals in the order of their IDs. */
function highest(lanes: readonly SendLane[]): SendLane | undefined {
  let first: SendLane | undefined;
  for (let i = 0; i < lanes.length; i++) {
    const lane = lanes[i];
    if (lane.ready && (first === undefined || lane.options.priority > first.options.priority)) first = lane;
  }
  return first;
}

/** Bytes a lane of priority 1 may send per round. */
const QUANTUM = 4 * 1024;

/** What a frame counts beside its body. */
const FRAME_COST = 4;

/** Each round a lane may send bytes in proportion to its priority (Shreedhar and Varghese, 1995). */
class DeficitRoundRobin implements Scheduler {
  #at = 0;
  #granted = false;

  next(lanes: readonly SendLane[]): SendLane | undefined {
    if (!lanes.some(isReady)) return undefined;
    for (;;) {
      const lane = lanes[this.#at % lanes.length];
      if (lane.ready) {
        if (!this.#granted) lane.deficit += QUANTUM * lane.options.priority;
        this.#granted = true;
        const cost = lane.nextFrameBytes + FRAME_COST;
        if (cost <= lane.deficit) {
          lane.deficit -= cost;
          return lane;
        }
      } else {
        lane.deficit = 0;
      }
      this.#at = (this.#at + 1) % lanes.length;
      this.#granted = false;
    }
  }
}

function isReady(lane: SendLane): boolean {
  return lane.ready;
}
