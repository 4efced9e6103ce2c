/** What a server name leads to: an exact name, or `*.example.com` for every name below it, at any depth. */
export interface NameRoute<T> {
  readonly name: string;
  readonly to: T;
}

export interface NameRoutes<T> {
  /** The exact name's, else that of the longest wildcard; undefined if none fits. `name` is in lower case. */
  find(name: string): T | undefined;
}

/** Routes by name. Of equal names the first counts. */
export function createNameRoutes<T>(routes: readonly NameRoute<T>[]): NameRoutes<T> {
  const table = new Map<string, T>();
  for (const { name, to } of routes) {
    // `*.example.com` is kept as `.example.com`, which no exact name looks like.
    const key = (name.startsWith('*.') ? name.slice(1) : name).toLowerCase();
    if (!table.has(key)) table.set(key, to);
  }
  return {
    find(name) {
      const exact = table.get(name);
      if (exact !== undefined) return exact;
      for (let dot = name.indexOf('.'); dot > 0; dot = name.indexOf('.', dot + 1)) {
        const found = table.get(name.slice(dot));
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}
