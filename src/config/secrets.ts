// What must not be shown of a config.

/** Stands for a secret. */
export const HIDDEN = "********";

/** The text with user name and password of any URL in it hidden. */
export function hideCredentials(text: string): string {
  return text.replace(/(\/\/)[^/@\s]*@/g, `$1${HIDDEN}@`);
}
