const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8 and remembers the last text: a field that mostly says the same costs a comparison instead of a decoding. */
export class TextMemo {
  #bytes = new Uint8Array();
  #text = "";

  /** The text of `bytes`. @throws {TypeError} where they are no UTF-8. */
  read(bytes: Uint8Array): string {
    const known = this.#bytes;
    let same = bytes.length === known.length;
    for (let i = 0; same && i < known.length; i++) same = bytes[i] === known[i];
    if (!same) {
      this.#text = utf8.decode(bytes);
      this.#bytes = bytes.slice();
    }
    return this.#text;
  }
}
