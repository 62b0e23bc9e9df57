import type { SimCase } from "./case.ts";
import { DISTURBED } from "./disturbed.ts";
import { FAULT_FREE } from "./fault_free.ts";
import { HOSTILE } from "./hostile.ts";
import { OVERLOAD } from "./overload.ts";
import { PUBLISHED } from "./published.ts";
import { DEAD, LIARS, LOADED_LIARS, LOSS, RECEIPTS } from "./unreliable.ts";

/** Everything that must hold (issue 4, section 3). */
export const CASES: readonly SimCase[] = [
  ...FAULT_FREE,
  ...PUBLISHED,
  ...DEAD,
  ...LIARS,
  ...LOSS,
  ...RECEIPTS,
  ...DISTURBED,
  ...HOSTILE,
  ...OVERLOAD,
  LOADED_LIARS,
];
