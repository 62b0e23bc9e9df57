import { sameBytes } from "../codec/same_bytes.ts";
import type { NonceDeduper } from "./dedup.ts";
import { STRAY } from "./nonce_marks.ts";
import type { RecentMessages } from "./recent_messages.ts";

/** What a node that is asked about a payload cannot confirm: that it got it itself, or that anybody in its segment does. */
export type Unsure = "self" | "segment";

/**
 * Nonces are not bound to payloads: whether this node, before it takes in `data` under `nonce`, can confirm it. It can if the nonce is new, or what is kept is
 * the same. If nothing is kept, as of a private message or of what is forgotten, it may have got another one. If another one is kept, it is that which is passed on.
 */
export function unsureOf(
  nonce: bigint,
  data: Uint8Array,
  nonces: NonceDeduper,
  recent: RecentMessages,
): Unsure | undefined {
  if (!nonces.has(nonce)) return undefined;
  const kept = recent.get(nonce);
  if (kept === undefined) nonces.seen(nonce, STRAY);
  else if (!sameBytes(kept.data, data)) return "segment";
  return nonces.has(nonce, STRAY) ? "self" : undefined;
}
