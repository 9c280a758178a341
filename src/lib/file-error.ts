// Errors of the file system in words.

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ELOOP: "it is a symbolic link, or leads through too many",
  ENOSPC: "no space left on the file system",
  EDQUOT: "the quota is used up",
  EROFS: "the file system is read-only",
  EIO: "input/output error",
};

/** "no such file" and the like; the error's own message where it is none of the usual ones. */
export function describeFileError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return WORDS[code] ?? error.message;
}
