// Files that `bun build` embeds in the binary (import … with { type: "file" }): their path at run time.

declare module "*.so" {
  const path: string;
  export default path;
}

declare module "*.o" {
  const path: string;
  export default path;
}
