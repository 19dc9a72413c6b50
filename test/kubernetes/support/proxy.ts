// A network between an agent and its API server that can be cut: packets are dropped in silence, as a partition does.
import { createServer, connect, type AddressInfo, type Socket } from "node:net";

export interface Proxy {
  /** URL of the server by way of it. */
  url: string;
  /** Passes nothing on, in either direction, and closes nothing: neither side is told. */
  drop: () => void;
  /** Passes on again; connections that were open meanwhile are cut, as their peers have given them up. */
  restore: () => void;
  close: () => Promise<void>;
}

export async function startProxy(server: string): Promise<Proxy> {
  const target = new URL(server);
  const sockets = new Set<Socket>();
  let isDropping = false;
  const listener = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => (isDropping ? undefined : to.write(chunk)));
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        if (!isDropping) to.destroy();
      });
    }
  });
  await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));
  const { port } = listener.address() as AddressInfo;
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `${target.protocol}//127.0.0.1:${port}`,
    drop: () => void (isDropping = true),
    restore() {
      isDropping = false;
      cutAll();
    },
    async close() {
      cutAll();
      await new Promise((done) => listener.close(done));
    },
  };
}
