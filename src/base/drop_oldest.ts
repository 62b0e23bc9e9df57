/** Removes what was put first into a `Map` or a `Set`, if there is anything: how most tables here that are full make room. */
export function dropOldest<Key>(table: { keys(): Iterable<Key>; delete(key: Key): boolean }): void {
  for (const oldest of table.keys()) {
    table.delete(oldest);
    return;
  }
}
