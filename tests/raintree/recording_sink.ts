import type { Address } from "../../src/identity/address.ts";
import type { ControlSink } from "../../src/raintree/control_outbox.ts";
import { unpackNonce } from "../../src/raintree/packed_nonces.ts";
import { eachPacked } from "./each_packed.ts";

/** Something that was said. */
export interface Said {
  what: "offer" | "ask" | "want" | "deny";
  to: Address;
  nonce: bigint;
}

/** Keeps what layers say, for a test to look at. */
export class RecordingSink implements Pick<ControlSink, "offer" | "ask" | "want" | "deny"> {
  said: Said[] = [];

  offerAll(to: Address, nonces: Uint8Array): void {
    eachPacked(nonces, (_high, _low, at) => this.offer(to, unpackNonce(nonces, at)));
  }

  offer(to: Address, nonce: bigint): void {
    this.said.push({ what: "offer", to, nonce });
  }

  ask(to: Address, nonce: bigint): void {
    this.said.push({ what: "ask", to, nonce });
  }

  want(to: Address, nonce: bigint): void {
    this.said.push({ what: "want", to, nonce });
  }

  deny(to: Address, nonce: bigint): void {
    this.said.push({ what: "deny", to, nonce });
  }

  /** What was said since the last call. */
  take(): Said[] {
    const { said } = this;
    this.said = [];
    return said;
  }
}
