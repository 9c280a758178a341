// What was built: set by `bun build --define`, from package.json and git.

declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;

/** Version and commit of this build; "dev" where the sources are run without a build. */
export const BUILD: { readonly version: string; readonly commit: string } = {
  version: typeof BUILD_VERSION === "string" ? BUILD_VERSION : "dev",
  commit: typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "dev",
};
