import type { HopKind, HopView, MessageView } from "../admin/message_log.ts";
import { sleep } from "../base/clock.ts";
import type { AdminClient } from "../localnet/admin_client.ts";
import type { AssertionContext } from "./assertion.ts";
import { assertionPayload } from "./assertion_payload.ts";

/** How long a broadcast may take to be everywhere, milliseconds. */
const WITHIN_MS = 10_000;

/** How often is looked, milliseconds. */
const LOOK_MS = 20;

/** What the nodes of a network tell of one broadcast. */
export interface ObservedBroadcast {
  /** Its number. */
  readonly nonce: string;
  /** Where it began, as a place in the ring. */
  readonly origin: number;
  /** What each node knows of it, by place in the ring. */
  readonly views: readonly (MessageView | undefined)[];
  /** Milliseconds from its start to the last first arrival, by the clocks of the nodes, in whole ones; `undefined` unless it is everywhere. */
  readonly toAllMs: number | undefined;
}

/** The admin APIs in ring order. */
export function inRingOrder(clients: readonly AdminClient[]): AdminClient[] {
  return [...clients].sort((a, b) => a.node.address < b.node.address ? -1 : 1);
}

/** The hops of a message that are its tree's, not copies beside it. */
export function ofTree(hops: readonly HopView[]): HopView[] {
  const kinds: readonly HopKind[] = ["segment", "level", "direct"];
  return hops.filter(({ kind }) => kinds.includes(kind));
}

/** Whether a node has got it from another one. */
export function hasArrived(view: MessageView | undefined): view is MessageView {
  return view !== undefined && view.arrivals.some(({ kind }) => kind !== "origin");
}

/**
 * Has the node at `origin` broadcast, and asks all until everybody has it and every hand-over has arrived, for 10 s at most: what is still missing then is
 * missing in what is returned.
 *
 * @throws {P2pError} `node_unreachable`, `node_refused`; the signal's reason
 */
export async function observeBroadcast(
  ring: readonly AdminClient[],
  origin: number,
  { clock, random, signal }: AssertionContext,
): Promise<ObservedBroadcast> {
  const { nonce } = await ring[origin].broadcast(assertionPayload(random));
  const untilMs = clock.now() + WITHIN_MS;
  let settledLooks = 0;
  for (;;) {
    const views = await Promise.all(ring.map((client) => client.message(nonce)));
    const complete = views.every((view, at) => at === origin ? view !== undefined : hasArrived(view));
    const sum = (hops: (view: MessageView) => number) => views.reduce((all, view) => all + (view ? hops(view) : 0), 0);
    const given = sum(({ handovers }) => handovers.length);
    const taken = sum(({ arrivals }) => arrivals.filter(({ kind }) => kind !== "origin").length);
    // Once more: second copies may follow.
    settledLooks = complete && given === taken ? settledLooks + 1 : 0;
    if (settledLooks === 2 || clock.now() >= untilMs) {
      return { nonce, origin, views, toAllMs: complete ? timeToAll(views as MessageView[], origin) : undefined };
    }
    await sleep(clock, LOOK_MS, signal);
  }
}

function timeToAll(views: readonly MessageView[], origin: number): number {
  const first = views.map(({ arrivals }) => Math.min(...arrivals.map(({ atMs }) => atMs)));
  return Math.max(...first) - first[origin];
}
