// Where the arrow keys lead in a grid that is one stop of the Tab key. Pure.

/** Returns the index that a key leads to from `at`, or null where the key leads nowhere. */
export function moved(key, at, columns, count) {
  const to = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    ArrowUp: at - columns,
    ArrowDown: at + columns,
    Home: 0,
    End: count - 1,
  }[key];
  if (to === undefined) return null;
  return to >= 0 && to < count ? to : at;
}
