/** Waits for all, also where one fails: nothing is under way any more when it rejects, with what the first failed with. */
export async function allOf(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}
