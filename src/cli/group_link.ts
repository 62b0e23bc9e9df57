import type { GroupSetup } from "./validator_group.ts";

/** What a group in another place is asked to do; the calls of `ValidatorGroup`. */
export type GroupCall =
  | { readonly call: "start"; readonly setup: GroupSetup }
  | { readonly call: "stake"; readonly urls: readonly string[] }
  | { readonly call: "broadcast"; readonly position: number; readonly number: number }
  | { readonly call: "stop"; readonly withinMs: number }
  | { readonly call: "settled" | "traffic" | "probe" | "look" };

/** To a group: a call, and the number that its answer carries. */
export type ToGroup = GroupCall & { readonly id: number };

/** From a group: the answer to a call, or news of its own. */
export type FromGroup =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string; readonly hint?: string } }
  | { readonly started: true }
  | { readonly delivered: readonly [position: number, number: number] };

/** The way to a group in another place, and the power over that place. Messages arrive in order, or no more at all. */
export interface GroupLink {
  /** The place, for people. */
  readonly name: string;
  /** Resolves when the place is gone, however that came, to what is known of it. */
  readonly ended: Promise<string>;
  /** Sends a call; one that no longer finds the place is lost. */
  send(message: ToGroup): void;
  /** Ends the place at once: no code of it runs any more, and the system closes its sockets. */
  kill(): void;
  /** Stops all code in the place; its sockets stay open. */
  freeze(): void;
  /** Lets it go on. */
  thaw(): void;
  /** Ends the place, in order if it takes no longer than `withinMs`. Idempotent; resolves when it is gone. */
  close(withinMs: number): Promise<void>;
}

/** Opens the way to a new place; `receive` is told what comes from there. */
export type OpenLink = (receive: (message: FromGroup) => void) => GroupLink;
