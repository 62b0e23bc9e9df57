import { ProtocolError } from "../base/errors.ts";
import { type Address, addressOf, addressToBytes } from "../identity/address.ts";
import { addressesIn, areRangesWithin, coarsened, complement, RingOrder, union } from "./address_ranges.ts";
import { type AddressRange, CONTROL_ENTRIES_MAX, type Receipt } from "./control_message.ts";
import { HeldSignatures, type Vouched } from "./held_signatures.ts";
import { signerOf } from "./receipt_signatures.ts";
import type { Ring } from "./ring.ts";
import type { Unsure } from "./unsure.ts";

/** Peers that one node answers for the same broadcast. One is normal; each silence on the way may add one. Later ones are not answered. */
const ASKERS_MAX = 16;

/** Receipts sent to one asker for one broadcast: a second one where it hands over more later. */
const ANSWERS_MAX = 2;

/** Ranges and signatures of a child beyond twice its peers in our view: views differ, and a node handed over to twice may be vouched for twice. */
const SPARE_ENTRIES = 8;

/** Who is to be told, of which part, and until when. All parts begin behind this node, so the shorter lies in the longer. */
export interface Question {
  /** The parent; `undefined` for the application of this very node. */
  readonly parent: Address | undefined;
  /** Where the part ends, 20 bytes. */
  until: Uint8Array;
  /** When it is answered whatever is missing, milliseconds of the clock. */
  deadlineMs: number;
  /** Whether it wants signatures. */
  readonly signed: boolean;
  /** What of the payload that it asks about this node cannot confirm. */
  unsure: Unsure | undefined;
}

/** A {@link Question}, and what became of it. */
export interface Asker extends Question {
  /** Whether it was answered. */
  answered: boolean;
  /** How often it was answered. */
  answers: number;
}

interface Child extends AddressRange {
  answered: boolean;
  /** Another was handed its segment, for want of an acknowledgement. */
  silent: boolean;
}

/** What one node knows of one broadcast that receipts were asked for: who asked, who was handed what, who confirmed. Knows no time and sends nothing. */
export class OpenReceipt {
  /** The broadcast. */
  readonly nonce: bigint;
  /** The view that the broadcast goes by at this node. */
  readonly ring: Ring;
  /** This node's place in it. */
  readonly index: number;
  /** When it began, milliseconds of the clock. */
  readonly begunAtMs: number;
  /** When it can be forgotten. */
  endsAtMs = 0;
  /** Hand-overs are under way: that nobody is waited for does not mean anything yet. */
  serving = true;
  /** Whether somebody wants signatures. */
  collects = false;
  /** What this node signs, where signatures are wanted of a payload that it can confirm. */
  text: Uint8Array | undefined;
  /** Own broadcast: whose signatures were found valid. */
  readonly proven = new Set<Address>();
  /** Own broadcast: signatures that wait to be verified. */
  unverified = 0;
  readonly #askers: Asker[] = [];
  readonly #order: RingOrder;
  readonly #first: Uint8Array;
  readonly #children = new Map<Address, Child>();
  #confirmed: AddressRange[] = [];
  readonly #vouched = new HeldSignatures();

  /** Nobody asked yet. */
  constructor(nonce: bigint, ring: Ring, index: number, nowMs: number) {
    this.nonce = nonce;
    this.ring = ring;
    this.index = index;
    this.begunAtMs = nowMs;
    this.#order = new RingOrder(ring.bytesAt(index));
    this.#first = ring.bytesAt(ring.indexAt(index, 1));
  }

  /** Who asked. */
  get askers(): readonly Asker[] {
    return this.#askers;
  }

  /** How much of what others confirmed is held: ranges, and signatures. */
  get held(): number {
    return this.#confirmed.length + this.#vouched.size;
  }

  /** Somebody asks. Who asks again for no more than before is not answered again: a receipt is larger than a question. */
  asked(question: Question): void {
    const { parent, until, deadlineMs, unsure } = question;
    const known = this.#askers.find((asker) => asker.parent === parent);
    if (known === undefined) {
      if (this.#askers.length >= ASKERS_MAX) return;
      this.#askers.push({ ...question, until: until.slice(), answered: false, answers: 0 });
    } else if (known.answers < ANSWERS_MAX && this.#order.compare(until, known.until) > 0) {
      known.until = until.slice();
      known.deadlineMs = deadlineMs;
      known.unsure = unsure;
      known.answered = false;
    }
  }

  /**
   * A child was handed the peers from itself to `until`. A child that still owes an answer for less keeps it: what it says could not be told from an
   * answer for more, so the rest counts as missing.
   */
  handedOver(child: Address, until: Uint8Array): void {
    const known = this.#children.get(child);
    if (known !== undefined && !known.answered) return;
    this.#children.set(child, {
      from: addressToBytes(child),
      until: until.slice(),
      answered: false,
      silent: false,
    });
  }

  /** A child did not acknowledge: from now on it is waited for only as long as it is not dead. What it says still counts. */
  silent(child: Address): void {
    const known = this.#children.get(child);
    if (known !== undefined) known.silent = true;
  }

  /** Whether the child kept silent and has not confirmed since. */
  isSilent(child: Address): boolean {
    const known = this.#children.get(child);
    return known !== undefined && known.silent && !known.answered;
  }

  /**
   * A child's receipt. Returns the signatures that are new. A second receipt of a child does nothing, nor does one of a peer that was handed nothing, or that says more than
   * fits what it was handed: an honest one answers an earlier question like that, which is forgotten here.
   *
   * @throws {ProtocolError} where no question can have been for that: `receipt_bad_range` (not sorted, or of peers before the child), `receipt_foreign_signature` (of such a peer).
   */
  confirmed(from: Address, receipt: Receipt): Vouched[] {
    const child = this.#children.get(from);
    if (child === undefined || child.answered) return [];
    const { missing, signatures } = receipt;
    if (!areRangesWithin(this.#order, { from: child.from, until: this.ring.bytesAt(this.index) }, missing)) {
      throw new ProtocolError(
        "receipt_bad_range",
        `Receipt of ${from} names peers who do not come behind ${from}, or not in order`,
      );
    }
    const size = this.ring.segmentSize(this.index, child.until) - this.ring.segmentSize(this.index, child.from);
    const entriesMax = entriesOf(size);
    if (missing.length > Math.min(entriesMax, CONTROL_ENTRIES_MAX) || signatures.length > entriesMax) return [];
    if (missing.length > 0 && this.#order.compare(missing[missing.length - 1].until, child.until) > 0) return [];
    const vouched = this.collects ? signatures.map((signature) => this.#voucher(from, child, signature)) : [];
    if (vouched.some(({ address }) => this.#order.compare(address, child.until) >= 0)) return [];
    // Without what a child may have to spare: otherwise two of them could make this node say more than it may.
    if (vouched.length > 2 * size) vouched.length = 2 * size;
    child.answered = true;
    this.#confirmed = union(this.#order, this.#confirmed, complement(this.#order, child, missing));
    return vouched.filter((one) => this.#vouched.add(one));
  }

  /** Whether nothing more is to be expected for an asker. */
  isSettled(asker: Asker, isDead: (peer: Address) => boolean): boolean {
    if (this.serving) return false;
    if (asker.unsure === "segment" && !asker.signed) return true;
    for (const [child, { from, answered, silent }] of this.#children) {
      if (answered || this.#order.compare(from, asker.until) >= 0) continue;
      if (!silent || !isDead(child)) return this.#missing(asker).length === 0;
    }
    return true;
  }

  /** What this node says to an asker; `own` is its own signature. No more than the asker takes, whatever the children said. */
  receiptFor(asker: Asker, own: Uint8Array | undefined): Receipt {
    const entriesMax = entriesOf(this.ring.segmentSize(this.index, asker.until));
    const signatures: Uint8Array[] = [];
    if (asker.signed) {
      if (own !== undefined) signatures.push(own);
      for (const { address, signature } of this.#vouched) {
        if (signatures.length === entriesMax) break;
        if (this.#order.compare(address, asker.until) < 0) signatures.push(signature);
      }
    }
    return {
      nonce: this.nonce,
      // With more ranges, neighbours are joined, and what lies between counts as missing too.
      missing: coarsened(this.#unconfirmed(asker), Math.min(entriesMax, CONTROL_ENTRIES_MAX)),
      signatures,
    };
  }

  /** The peers, other than this node, of which `asker` is told that they are missing. */
  missingPeers(asker: Asker): Address[] {
    if (!asker.signed) return addressesIn(this.ring, this.index, this.#missing(asker));
    const whole = [{ from: this.#first, until: asker.until }];
    return addressesIn(this.ring, this.index, whole).filter((peer) => !this.proven.has(peer));
  }

  /** What a parent is told to be missing: the part that it asks about begins at this node. */
  #unconfirmed(asker: Asker): AddressRange[] {
    const { until, unsure } = asker;
    if (unsure === undefined) return this.#missing(asker);
    const from = this.ring.bytesAt(this.index);
    if (unsure === "segment") return [{ from, until }];
    const isAlone = this.#order.compare(until, this.#first) <= 0;
    return [{ from, until: isAlone ? until : this.#first }, ...this.#missing(asker)];
  }

  #missing(asker: Asker): AddressRange[] {
    return complement(this.#order, { from: this.#first, until: asker.until }, this.#confirmed);
  }

  #voucher(from: Address, child: Child, signature: Uint8Array): Vouched {
    const signer = addressOf(signerOf(signature));
    const address = Uint8Array.fromHex(signer);
    if (this.#order.compare(address, child.from) < 0) {
      throw new ProtocolError(
        "receipt_foreign_signature",
        `Receipt of ${from} holds a signature of ${signer}, who does not come behind ${from}`,
      );
    }
    return { address, signature };
  }
}

/** Ranges, or signatures, that a receipt for so many peers may hold. */
function entriesOf(size: number): number {
  return 2 * size + SPARE_ENTRIES;
}
