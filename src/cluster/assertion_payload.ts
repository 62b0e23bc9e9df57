import type { Random } from "../base/random.ts";
import type { AdminMessage } from "../localnet/admin_client.ts";

/** Bytes of a payload where nothing else is asked for: a small transaction. */
export const PAYLOAD_BYTES = 256;

/** What assertions have nodes broadcast: no application takes it for its own. */
export function assertionPayload(random: Random, bytes: number = PAYLOAD_BYTES): AdminMessage {
  return { typeUrl: "type.googleapis.com/raintree.Assertion", value: random.fill(new Uint8Array(bytes)) };
}
