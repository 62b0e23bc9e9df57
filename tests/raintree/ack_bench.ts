import type { Address } from "../../src/identity/address.ts";
import { AckLedger, type AckLedgerOptions, type Handover } from "../../src/raintree/ack_ledger.ts";
import { Ring } from "../../src/raintree/ring.ts";
import { VirtualClock } from "../../src/sim/virtual_clock.ts";
import { addresses } from "./networks.ts";

/** Peers to hand over to. */
export const [anna, bert, carl, ...others] = addresses(20, 3);
const ring = Ring.of([anna, bert, carl]);
const message = { nonce: 1n, atMs: 0, sequence: 0, data: new Uint8Array() };

/** Something to hand over; `id` tells it from others. */
export const handover = (id: number): Handover => {
  return { ring, target: id, until: undefined, level: 0, message, tries: 0, bare: false, confirm: undefined };
};

/** What a ledger told of. */
export interface Silence {
  atMs: number;
  peer: Address;
  id: number;
  first: boolean;
}

/** A ledger, and the silences it told of. */
export class AckBench {
  readonly clock = new VirtualClock(0);
  readonly silences: Silence[] = [];
  readonly ledger: AckLedger;
  /** The clock stood still for this process while so much passed for others. */
  heldUpMs = 0;
  onSilent: ((silence: Silence) => void) | undefined;

  constructor(options: Partial<AckLedgerOptions> = {}) {
    const { clock } = this;
    this.ledger = new AckLedger({
      clock: { now: () => clock.now() + this.heldUpMs, wall: () => 0, after: (ms, fire) => clock.after(ms, fire) },
      onSilent: (peer, { target }, first) => {
        const silence = { atMs: clock.now(), peer, id: target, first };
        this.silences.push(silence);
        this.onSilent?.(silence);
      },
      ...options,
    });
  }

  /** Hands over `count` things to a peer, with IDs from `id`; returns the numbers. */
  send(peer: Address, count: number, id = 0): number[] {
    return Array.from({ length: count }, (_, i) => this.ledger.sent(peer, handover(id + i)));
  }

  /** Hands over one thing, lets `ms` pass and has it acknowledged. */
  async roundTrip(peer: Address, ms: number): Promise<void> {
    const seq = this.ledger.sent(peer, handover(0));
    await this.clock.advance(ms);
    this.ledger.acked(peer, seq, 1);
  }

  ids(peer = anna): number[] {
    return this.silences.filter((silence) => silence.peer === peer).map(({ id }) => id);
  }
}
