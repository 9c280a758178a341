// What must not be shown of a config.

/** Stands for a secret. */
export const HIDDEN = "********";

/** The text with user name, password and the values of the query of any URL in it hidden. */
export function hideCredentials(text: string): string {
  return text
    .replace(/(\/\/)[^@\s"]*@/g, `$1${HIDDEN}@`)
    .replace(/\/\/[^\s"?]*\?[^\s"]*/g, (url) => url.replace(/([?&][^=&#]*=)[^&#]+/g, `$1${HIDDEN}`));
}
