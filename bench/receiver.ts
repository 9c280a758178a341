// An OTLP/HTTP receiver that reads and discards. Usage: bun bench/receiver.ts PORT

const { port } = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  maxRequestBodySize: 1 << 28,
  fetch: async (request: Request): Promise<Response> => {
    await request.arrayBuffer();
    return new Response(new Uint8Array(0), { headers: { "content-type": "application/x-protobuf" } });
  },
});
console.log(`ready on port ${port}`);

export {};
