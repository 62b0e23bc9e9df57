/**
 * Wakes one waiting loop. Raising it many times before the loop looks makes one wake-up; raising it while nobody waits is
 * remembered. One promise per wait, none per raise.
 */
export class Signal {
  #raised = false;
  #wake: (() => void) | undefined;

  /** Ends the current wait, or the next one at once. */
  raise(): void {
    if (this.#wake === undefined) {
      this.#raised = true;
      return;
    }
    const wake = this.#wake;
    this.#wake = undefined;
    wake();
  }

  /** Resolves when raised, and lowers the signal again. One waiter at a time. */
  raised(): Promise<void> {
    if (this.#raised) {
      this.#raised = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#wake = resolve);
  }
}
