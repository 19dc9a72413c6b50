// Addresses of this machine alone.

/** Returns whether a host, as an address or as a URL names it, is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}
