import { P2pError } from "../base/errors.ts";
import type { Content } from "../module/bus.ts";

/** What a node without an application of its own answers: requests of this type come back as they are. */
export const ECHO_TYPE_URL = "type.googleapis.com/raintree.Echo";

/** Answers a request of type {@link ECHO_TYPE_URL} with itself. @throws {P2pError} `request_unknown` for any other. */
export function echo(content: Content): Content {
  if (content.typeUrl === ECHO_TYPE_URL) return content;
  throw new P2pError("request_unknown", `This node answers "${ECHO_TYPE_URL}" only`);
}
