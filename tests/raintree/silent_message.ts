import type { ControlMessage } from "../../src/raintree/control_message.ts";

/** Says nothing. */
export const SILENT: ControlMessage = {
  acks: [],
  offers: new Uint8Array(),
  asks: [],
  wants: [],
  denials: [],
  receipts: [],
  duties: [],
  probe: false,
  alive: false,
};
