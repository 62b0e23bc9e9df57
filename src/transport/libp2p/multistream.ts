import { P2pError, ProtocolError } from "../../base/errors.ts";
import { ByteWriter } from "../../codec/byte_writer.ts";
import { concat } from "../../codec/concat.ts";
import { compact } from "../../codec/compact.ts";
import { readVarint } from "../../codec/varint.ts";

/** What both sides say first. */
export const MULTISTREAM = "/multistream/1.0.0";

/** A line as the dialer reads it; only the answer to `ls`, which we never ask, may be longer. */
const LINE_BYTES_MAX = 1024;

/** Proposals a listener refuses before it gives up on the dialer. */
const PROPOSALS_MAX = 64;

/** What a request for the list, whose answer is long, counts as. */
const LIST_PROPOSALS = 32;

const NOT_AVAILABLE = "na";
const LIST = "ls";
const NEWLINE = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Lines on the wire: each a varint length, the text, a newline. */
export function multistreamLines(...lines: string[]): Uint8Array {
  const out = new ByteWriter(64);
  for (const line of lines) writeLine(out, line);
  return out.bytes().slice();
}

/**
 * The dialer's side of multistream-select 1.0.0 for one stream: proposes protocols one after the other.
 * {@link first} goes out at once; with one protocol data may follow it without waiting (optimistic negotiation).
 */
export class MultistreamDialer {
  /** What is proposed, in order of preference. */
  readonly protocols: readonly string[];
  readonly #lines = new LineReader();
  #proposed = 0;
  #headerSeen = false;
  #selected: string | undefined;

  /** `protocols` in order of preference, at least one. */
  constructor(protocols: readonly string[]) {
    if (protocols.length === 0) throw new RangeError("Offer at least one protocol");
    this.protocols = protocols;
  }

  /** The agreed protocol; `undefined` until there is one. */
  get selected(): string | undefined {
    return this.#selected;
  }

  /** The bytes to open with: the header and the first proposal. */
  first(): Uint8Array {
    return multistreamLines(MULTISTREAM, this.protocols[0]);
  }

  /**
   * Takes the next bytes. Returns those behind the negotiation once it is over, `undefined` before; `send` gets what to
   * write in between.
   *
   * @throws {P2pError} `protocol_unsupported` if the remote refuses every protocol.
   * @throws {ProtocolError} `multistream_*` if it does not speak multistream-select.
   */
  receive(chunk: Uint8Array, send: (bytes: Uint8Array) => void): Uint8Array | undefined {
    this.#lines.push(chunk);
    for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
      if (!this.#headerSeen) {
        checkHeader(line);
        this.#headerSeen = true;
        continue;
      }
      const proposal = this.protocols[this.#proposed];
      if (line === proposal) {
        this.#selected = proposal;
        return this.#lines.rest();
      }
      if (line !== NOT_AVAILABLE) {
        throw new ProtocolError("multistream_bad_answer", `Remote answered "${shown(line)}" to "${proposal}"`);
      }
      this.#proposed++;
      if (this.#proposed === this.protocols.length) {
        throw new P2pError("protocol_unsupported", `Remote supports none of ${this.protocols.join(", ")}`);
      }
      send(multistreamLines(this.protocols[this.#proposed]));
    }
    return undefined;
  }
}

/** What a listener serves. */
export interface MultistreamOffer {
  /** Whether `protocol` is served. */
  supports(protocol: string): boolean;
  /** Everything served, for `ls`. */
  list(): string[];
}

/** The listener's side of multistream-select 1.0.0 for one stream. */
export class MultistreamListener {
  readonly #offer: MultistreamOffer;
  readonly #lines = new LineReader();
  #headerSeen = false;
  #headerDue = false;
  #proposals = 0;
  #selected: string | undefined;
  /** Whether a proposal was refused. */
  refused = false;

  /** `offer` is asked at each proposal. */
  constructor(offer: MultistreamOffer) {
    this.#offer = offer;
  }

  /** The agreed protocol; `undefined` until there is one. */
  get selected(): string | undefined {
    return this.#selected;
  }

  /**
   * Takes the next bytes. Returns those behind the negotiation once it is over, `undefined` before; `send` gets the answers.
   *
   * @throws {ProtocolError} `multistream_*` if the remote does not speak multistream-select, or asks for too many protocols.
   */
  receive(chunk: Uint8Array, send: (bytes: Uint8Array) => void): Uint8Array | undefined {
    this.#lines.push(chunk);
    for (let line = this.#lines.next(); line !== undefined; line = this.#lines.next()) {
      if (!this.#headerSeen) {
        checkHeader(line);
        this.#headerSeen = true;
        // The header waits for the answer to the first proposal, which mostly came with it.
        if (this.#lines.empty) send(multistreamLines(MULTISTREAM));
        else this.#headerDue = true;
        continue;
      }
      if (this.#offer.supports(line)) {
        this.#selected = line;
        this.#answer(line, send);
        return this.#lines.rest();
      }
      this.#proposals += line === LIST ? LIST_PROPOSALS : 1;
      if (this.#proposals > PROPOSALS_MAX) {
        throw new ProtocolError(
          "multistream_too_many_proposals",
          `Remote proposed more than ${PROPOSALS_MAX} protocols`,
        );
      }
      if (line === LIST) this.#list(send);
      else {
        this.refused = true;
        this.#answer(NOT_AVAILABLE, send);
      }
    }
    return undefined;
  }

  #answer(line: string, send: (bytes: Uint8Array) => void): void {
    const out = this.#out();
    writeLine(out, line);
    send(out.bytes());
  }

  #list(send: (bytes: Uint8Array) => void): void {
    const list = new ByteWriter(256);
    for (const protocol of this.#offer.list()) writeLine(list, protocol);
    const out = this.#out();
    out.varint(list.length + 1);
    out.push(list.bytes());
    out.byte(NEWLINE);
    send(out.bytes());
  }

  #out(): ByteWriter {
    const out = new ByteWriter(64);
    if (this.#headerDue) writeLine(out, MULTISTREAM);
    this.#headerDue = false;
    return out;
  }
}

/** Cuts what arrives into lines; keeps at most one unfinished line. */
class LineReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  get empty(): boolean {
    return this.#at === this.#bytes.length;
  }

  push(chunk: Uint8Array): void {
    const kept = this.#bytes.subarray(this.#at);
    this.#at = 0;
    this.#bytes = kept.length === 0 ? chunk : concat([kept, chunk]);
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  next(): string | undefined {
    const length = readVarint(this.#bytes, this.#at);
    if (length === undefined) return this.#wait();
    const { value, end } = length;
    if (value === 0 || value > LINE_BYTES_MAX) {
      throw new ProtocolError(
        "multistream_bad_length",
        `Negotiation line of ${value} bytes, wanted 1 to ${LINE_BYTES_MAX}`,
      );
    }
    const last = end + value - 1;
    if (last >= this.#bytes.length) return this.#wait();
    if (this.#bytes[last] !== NEWLINE) {
      throw new ProtocolError("multistream_no_newline", "Negotiation line does not end with a newline");
    }
    this.#at = last + 1;
    return decoder.decode(this.#bytes.subarray(end, last));
  }

  /** A line goes on in the next chunk: its beginning is kept, and not the record it came in. */
  #wait(): undefined {
    this.#bytes = compact(this.#bytes.subarray(this.#at));
    this.#at = 0;
  }
}

function writeLine(out: ByteWriter, line: string): void {
  const bytes = encoder.encode(line);
  out.varint(bytes.length + 1);
  out.push(bytes);
  out.byte(NEWLINE);
}

function checkHeader(line: string): void {
  if (line !== MULTISTREAM) {
    throw new ProtocolError("multistream_bad_header", `Remote opens with "${shown(line)}", wanted "${MULTISTREAM}"`);
  }
}

function shown(line: string): string {
  return line.length > 64 ? `${line.slice(0, 64)}...` : line;
}
