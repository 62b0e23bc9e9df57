/** A binary heap that knows where each item stands, so that an item whose rank changed moves in O(log n). */
export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];
  readonly #position = new Map<T, number>();

  /** `before(a, b)` is whether `a` comes out ahead of `b`. Its answer for an item may change only just before {@link put}. */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  /** How many items it holds. */
  get size(): number {
    return this.#items.length;
  }

  /** The item that comes first, left where it is. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds the item, or moves it to where its rank puts it now. */
  put(item: T): void {
    let at = this.#position.get(item);
    if (at === undefined) {
      at = this.#items.push(item) - 1;
      this.#position.set(item, at);
    }
    this.#settle(at);
  }

  /** Takes the item out; says whether it was in. */
  remove(item: T): boolean {
    const at = this.#position.get(item);
    if (at === undefined) return false;
    const last = this.#items.pop()!;
    this.#position.delete(item);
    if (last !== item) {
      this.#set(at, last);
      this.#settle(at);
    }
    return true;
  }

  #set(at: number, item: T): void {
    this.#items[at] = item;
    this.#position.set(item, at);
  }

  #settle(start: number): void {
    const item = this.#items[start];
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(item, this.#items[parent])) break;
      this.#set(at, this.#items[parent]);
      at = parent;
    }
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#items.length) break;
      if (child + 1 < this.#items.length && this.#before(this.#items[child + 1], this.#items[child])) child++;
      if (!this.#before(this.#items[child], item)) break;
      this.#set(at, this.#items[child]);
      at = child;
    }
    this.#set(at, item);
  }
}
