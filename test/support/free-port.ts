// Ports of loopback for servers of a test, which may be ended and started again.

/** Below the ports that the kernel gives to clients: none of them takes a server's while it is down. */
const PORTS = { first: 20_000, count: 10_000 };

/** One that nobody listens at now. */
export function freePort(): number {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => {} } }).stop(true);
      return port;
    } catch {
      // Taken: another one.
    }
  }
}
