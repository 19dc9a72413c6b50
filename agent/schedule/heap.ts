// A binary min-heap.

export interface Heap<T> {
  push: (item: T) => void;
  peek: () => T | undefined;
  pop: () => T | undefined;
  size: () => number;
  /** Drops every item for which `wanted` is false. */
  keep: (wanted: (item: T) => boolean) => void;
}

/** `order` is negative when `a` comes before `b`. */
export function createHeap<T>(order: (a: T, b: T) => number): Heap<T> {
  let items: T[] = [];

  function up(start: number): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (order(items[at] as T, items[parent] as T) >= 0) return;
      swap(at, parent);
      at = parent;
    }
  }

  function down(start: number): void {
    let at = start;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < items.length && order(items[child] as T, items[least] as T) < 0) least = child;
      }
      if (least === at) return;
      swap(at, least);
      at = least;
    }
  }

  function swap(a: number, b: number): void {
    [items[a], items[b]] = [items[b] as T, items[a] as T];
  }

  return {
    push(item) {
      items.push(item);
      up(items.length - 1);
    },
    peek: () => items[0],
    pop() {
      const first = items[0];
      const last = items.pop();
      if (items.length > 0) {
        items[0] = last as T;
        down(0);
      }
      return first;
    },
    size: () => items.length,
    keep(wanted) {
      items = items.filter(wanted).sort(order); // a sorted array is a heap
    },
  };
}
