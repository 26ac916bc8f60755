// Which row is open beside a map, by the map's name: told apart from the map's own message, so
// that no array travels when another row is opened.

const opened = (globalThis.winnowOpened ??= new Map());
export const OPENED = "winnow-opened";

/** Says that a row is open beside a map, or null: none. */
export function openBeside(map, row) {
  if (row === null) opened.delete(map);
  else opened.set(map, row);
  globalThis.dispatchEvent(new Event(OPENED));
}

export const openedBeside = (map) => opened.get(map) ?? null;

/** Place of a row in the order of travel: the n for which n · stride is the row, modulo count. */
export function placeOf(row, { n: count, stride }) {
  // By Euclid's algorithm: stride · inverse is 1 modulo count.
  let [inverse, next, rest, divisor] = [1, 0, stride, count];
  while (divisor) {
    const times = Math.floor(rest / divisor);
    [rest, divisor] = [divisor, rest - times * divisor];
    [inverse, next] = [next, inverse - times * next];
  }
  return (row * (((inverse % count) + count) % count)) % count;
}
