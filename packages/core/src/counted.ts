/** Writes a count with its noun, such as "1 box" or "2 boxes". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
